"""One function, one statement."""
