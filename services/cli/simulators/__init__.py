"""A mail server and an SMS provider on loopback: what they are sent can be read, in clear.

For `deskfactor dev`, for the demonstration and for tests. They refuse production and every address but this machine's.
"""
