"""The words of the command line: names, options and what is printed. What they do is loaded when they are called."""
