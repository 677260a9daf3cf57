"""Remembers every event, and proves that nobody changed what it remembers.

Decides: nothing.
Listens to: every event; requests that read the log.
Says: that it signed the head of a chain, that somebody took the log away.
Owns: entries, their sealed payloads, chain heads, and the keys under which payloads rest (schema `audit`).
"""
