"""Gets a notification to a person, and knows whether it arrived.

Decides: which provider, again or not. Listens to: its command lanes, receipts. Says: `code.*`, `notification.*`.
Owns: deliveries, the messages of sandbox tenants.
"""
