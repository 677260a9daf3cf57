"""Decides nothing: it remembers and proves.

Listens to every event, and to requests that read the log. Says when it signed the head of a chain.
Owns entries, their sealed payloads, chain heads, and the keys under which payloads rest.
"""
