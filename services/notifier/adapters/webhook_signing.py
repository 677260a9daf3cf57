"""Signatures of webhooks, by the library of Standard Webhooks: HMAC-SHA-256 over ``id.timestamp.body``."""

import base64
import datetime as dt
import secrets
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from standardwebhooks import Webhook

from shared.secret import Secret

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32  # the standard asks for 24 to 64


def new_webhook_secret() -> Secret[str]:
    """A fresh secret, ``whsec_…``; shown once, kept sealed."""
    return Secret(_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode())


def signed_headers(keys: Sequence[Secret[str]], *, event_id: UUID, at: dt.datetime, body: bytes) -> dict[str, str]:
    """The three headers; one signature for each secret that is good at present, the newest first.

    ``at`` is the instant of the attempt, aware: a receiver refuses what is older than five minutes.
    """
    moment = at.astimezone(dt.UTC)
    text = body.decode()
    signatures = [Webhook(each.reveal()).sign(str(event_id), moment, text) for each in keys]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
