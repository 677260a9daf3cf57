"""What an admin does to somebody else's account."""

from tests.acceptance.properties.hand import ANN, BY_ROOT, Hand
from tests.acceptance.properties.things import DAY, HOUR, MINUTE


class Admins(Hand):
    """Each deed knows what must come of it; when it may be done is the machine's to know."""

    def admin_unlocks(self, hours: int) -> None:
        """For some hours; what was granted before is not shortened."""
        self.good("POST", f"{ANN}/unlock", {"hours": hours, **BY_ROOT})
        asked = self.truth.asked
        until = self.truth.now + hours * HOUR
        asked.extended_until = max(until, asked.extended_until or until)
        self.settle()

    def admin_extends(self) -> None:
        """By three days from now, whatever was before."""
        until = self.desk.now + 3 * DAY
        self._change(extended_until=until.isoformat())
        self.truth.asked.extended_until = until

    def admin_requires(self, *, is_required: bool) -> None:
        """Of this account, whatever the policy says."""
        self._change(required=is_required)
        self.truth.asked.set_alone(self.truth.now, is_required=is_required)

    def admin_exempts(self) -> None:
        """For two days."""
        until = self.desk.now + 2 * DAY
        self._change(exempt_until=until.isoformat())
        self.truth.asked.exempt_until = until

    def admin_ends_exemption(self) -> None:
        """Before its time."""
        self._change(exempt_until=None)
        self.truth.asked.end_exemption(self.truth.now)

    def admin_clears(self) -> None:
        """Only the policy holds."""
        self.good("DELETE", f"{ANN}/enforcement?actor=root&reason=Back")
        self.truth.asked.clear(self.truth.now)
        self.settle()

    def _change(self, **change: object) -> None:
        self.good("PUT", f"{ANN}/enforcement", {**change, **BY_ROOT})
        self.settle()

    def admin_resets(self) -> None:
        """All of it goes, with a recovery that waits; where a factor is required the next login enrols."""
        told = self.good("POST", f"{ANN}/reset", BY_ROOT)
        assert told["revoked_factors"] == len(self.truth.active)
        self.truth.reset()
        self.settle()

    def admin_makes_a_recovery_code(self, minutes: int) -> None:
        """The one before is void."""
        made = self.good("POST", f"{ANN}/recovery-codes", {"minutes": minutes, **BY_ROOT})
        self.truth.paper.void_recovery_code()
        self.truth.paper.recovery_code = made["recovery_code"]
        self.truth.paper.recovery_code_until = self.truth.now + minutes * MINUTE
        self.settle()
