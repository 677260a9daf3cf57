"""Audit needs no setting of its own."""

from shared.settings import Settings


class AuditSettings(Settings):
    """What every service has."""
