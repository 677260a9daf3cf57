"""Tokens of trusted devices: 256 random bits, of which only the SHA-256 is kept."""

import secrets

from shared.secret import Secret

_BYTES = 32


def new_token() -> Secret[str]:
    """43 characters of base64url."""
    return Secret(secrets.token_urlsafe(_BYTES))
