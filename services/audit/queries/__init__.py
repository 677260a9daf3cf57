"""Statements on the schema ``audit``."""
