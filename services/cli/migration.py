"""Bringing a database up to date, and letting the services' roles in."""

from dataclasses import dataclass
from pathlib import Path

from shared.db.connection import store_errors
from shared.db.migrate import migrate
from shared.db.role_passwords import ROLES, UnusablePassword, set_role_passwords
from shared.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """What was done."""

    applied: tuple[str, ...]
    roles: tuple[str, ...]


async def migrate_database(dsn: str, *, role_passwords: Path | None = None) -> Migrated:
    """Apply what is missing, then set the passwords found in ``role_passwords``.

    Raises `MigrationError`, `UnusablePassword`, `StoreUnavailable`.
    """
    passwords = read_passwords(role_passwords) if role_passwords is not None else {}
    with store_errors():
        applied = await migrate(dsn)
        if passwords:
            await set_role_passwords(dsn, passwords)
    return Migrated(applied=tuple(applied), roles=tuple(passwords))


def read_passwords(folder: Path) -> dict[str, Secret[str]]:
    """One file a role, named after it, e.g. ``deskfactor_gateway``; a line's end is no part of it."""
    found = {role: folder / role for role in ROLES if (folder / role).is_file()}
    if not found:
        raise UnusablePassword(f"{folder}: holds no file named {', '.join(ROLES)}")
    return {role: Secret(path.read_text().removesuffix("\n")) for role, path in found.items()}
