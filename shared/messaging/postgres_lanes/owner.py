"""Who leases: the number of one bus, and its sign of life."""

from shared.ids import new_id

_POSITIVE_BIGINT = (1 << 63) - 1


class Owner:
    """One entered bus. Several processes of one service are several owners."""

    __slots__ = ("is_alive", "name", "number")

    def __init__(self, name: str) -> None:
        self.name = name
        self.number = new_id().int & _POSITIVE_BIGINT  # the random half of a UUIDv7
        self.is_alive = False  # whether a session of ours holds the lock by which others know that we live

    @property
    def of_leases(self) -> int | None:
        """Owner to write on a lease.

        None when our death could not be told from a lost session: then only time ends the lease, or others would take
        from us what we are working on.
        """
        return self.number if self.is_alive else None
