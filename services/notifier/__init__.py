"""Gets a notification to a person and an event to a tenant's endpoint, and knows whether it arrived.

Decides: which provider, again or not.
Listens to: its command lanes, receipts, every event (for webhooks).
Says: `code.*`, `notification.*`, `notice.disputed`, `webhook_endpoint.*`.
Owns: deliveries, the messages of sandbox tenants, webhook endpoints and what was sent to them (schema `notifier`).
"""
