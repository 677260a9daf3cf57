"""Append events, read entries, sign heads."""
