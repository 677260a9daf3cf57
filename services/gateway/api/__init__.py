"""The HTTP API: a table of routes; what they take, whom they ask, what they answer."""
