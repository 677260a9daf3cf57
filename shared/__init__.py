"""What the services share: contracts, rules, messaging, storage, keys. Nothing here knows a service."""
