"""The operator's command line, and everything in one process."""
