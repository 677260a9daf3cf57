"""The chain: how an entry is hashed, when a head is signed, what proves that nothing was changed."""
