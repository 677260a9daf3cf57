"""The health endpoints that every process has."""
