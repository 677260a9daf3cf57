"""Whether a delivery receipt comes from Twilio (its request signature, HMAC-SHA-1 with the account's token)."""

from collections.abc import Mapping

from twilio.request_validator import RequestValidator

from shared.secret import Secret


def is_genuine(url: str, params: Mapping[str, str], signature: str, auth_token: Secret[str]) -> bool:
    """Whether Twilio signed this callback.

    `url` is the public one, from our settings: behind a proxy the request names another, and a caller could choose it.
    `params` are the form's fields.
    """
    return bool(RequestValidator(auth_token.reveal()).validate(url, dict(params), signature))
