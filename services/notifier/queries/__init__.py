"""One function, one statement, on the notifier's own tables."""
