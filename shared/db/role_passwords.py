"""Passwords of the services' database roles. The server is given SCRAM verifiers: no password is in its logs."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

import asyncpg

from shared.secret import Secret

ROLES = (
    "deskfactor_gateway",
    "deskfactor_otp_worker",
    "deskfactor_policy",
    "deskfactor_notifier",
    "deskfactor_audit",
    "deskfactor_operator",
)
"""Those that may log in; the owner never does."""

ITERATIONS = 4096  # PostgreSQL's own; RFC 7677, 4 names it as the least
_SALT_BYTES = 16


class UnusablePassword(Exception):
    """The password cannot be set; the text names its role only."""


async def set_role_passwords(dsn: str, passwords: Mapping[str, Secret[str]]) -> None:
    """Let these of `ROLES` log in with their passwords, all or none. Raises `UnusablePassword`."""
    verifiers = {role: scram_verifier(role, password) for role, password in passwords.items()}
    connection = await asyncpg.connect(dsn, timeout=10, command_timeout=10)
    try:
        async with connection.transaction():
            for role, verifier in verifiers.items():
                # role and verifier are of a known alphabet: this statement takes no parameters
                await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{verifier}'")
    finally:
        await connection.close()


def scram_verifier(role: str, password: Secret[str]) -> str:
    """``SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`` (RFC 5802, 3; RFC 5803). Raises `UnusablePassword`.

    Printable ASCII only, which SASLprep (RFC 4013) leaves as it is.
    """
    text = password.reveal()
    if role not in ROLES:
        raise UnusablePassword(f"{role}: not a role that logs in")
    if not text or not text.isascii() or not text.isprintable():
        raise UnusablePassword(f"{role}: a password is printable ASCII, and not empty")
    salt = secrets.token_bytes(_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", text.encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
