"""What people, thieves, helpdesks and admins do to Ann's account; each deed knows what must come of it."""

from tests.acceptance.properties.admins import Admins
from tests.acceptance.properties.enrolling import Enrolling
from tests.acceptance.properties.hand import ANN
from tests.acceptance.properties.news import News
from tests.acceptance.properties.recovering import Recovering
from tests.acceptance.properties.requirement import OVERDUE, Policy, Requirement
from tests.acceptance.properties.things import DAY
from tests.acceptance.properties.truth import Truth
from tests.acceptance.properties.typing_in import TypingIn

STARTS = ("made", "overdue", "enrolled", "enrolled twice", "without again", "waiting", "stopped")


class Deeds(News, Enrolling, TypingIn, Recovering, Admins):
    """Each may be done whenever its condition holds; the conditions are the machine's."""

    def begin(self, start: str, policy: Policy) -> None:
        """Root signs in by SSO, so that no policy locks the last admin out; Ann is as old as her address must be."""
        self.good("PUT", "/v1/accounts/root", {"role": "admin", "sso": True})
        now, email = self.desk.now, self.truth.email
        self.truth = Truth(now=now, email=email, asked=Requirement(now))
        self.is_made()
        self.leap(8 * DAY)
        if start not in ("made", "overdue"):
            self._enrols()
        if start == "enrolled twice":
            proof = self.proof()
            self.begun(self.good("POST", f"{ANN}/factors", {"type": "totp", "proof": proof}), on=proof)
            self.confirm(self.truth.pending[0])
        if start == "without again":
            self.factor_is_removed(0)
        if start in ("waiting", "stopped"):
            self.lose_device()
            self.prove_mailbox()
        if start == "stopped":
            self.signs_in(0, trusts=True)
        self.change_policy(OVERDUE if start in ("overdue", "without again") else policy)
        if start == "overdue":
            self.leap(9 * DAY)

    def _enrols(self) -> None:
        self.begun(self.good("POST", f"{ANN}/factors", {"type": "totp"}))
        self.confirm(self.truth.pending[0])
