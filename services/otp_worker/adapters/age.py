"""Sealing to a tenant's own key: age (age-encryption.org/v1), X25519, which anybody's tools can open."""

import asyncio
import base64

from pyrage import RecipientError, encrypt, x25519


class BadRecipient(Exception):
    """Not a public key of age."""


async def seal_to(recipient: str, content: bytes) -> str:
    """The content as an age file, base64. Raises `BadRecipient`."""
    try:
        key = x25519.Recipient.from_str(recipient)
    except RecipientError:
        raise BadRecipient from None
    return base64.b64encode(await asyncio.to_thread(encrypt, content, [key])).decode()
