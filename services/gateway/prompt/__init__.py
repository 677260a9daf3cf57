"""Pages for people: no script, strict CSP, readable without style."""
