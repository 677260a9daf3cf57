"""HTTP in, commands out, answers back; it keeps the door: keys, limits, deadlines, problems.

Decides: nothing.
Listens to: HTTP; over RabbitMQ also what tenants publish themselves.
Says: every request command; events of helpdesks as commands; `api_key.*`, `tenant.changed`.
Owns: tenants and their settings, API keys, the ids of events that were handed in (schema `gateway`).
"""
