"""The notifier's words and rules: pure, without a clock, a socket or a file."""
