"""What a helpdesk says of the account, and of all accounts."""

from shared.ids import new_id
from tests.acceptance.properties.hand import ANN, Hand, new_address
from tests.acceptance.properties.requirement import Policy, dated, written
from tests.acceptance.properties.things import DAY


class News(Hand):
    """Each deed knows what must come of it; when it may be done is the machine's to know."""

    def change_policy(self, policy: Policy) -> None:
        """For everybody."""
        policy = dated(policy, self.desk.now)
        self.good("PUT", "/v1/policy", written(policy))
        self.truth.asked.set_policy(policy, self.truth.now, was_enrolled=self.truth.was_enrolled)
        self.settle()

    def role_changes(self, role: str) -> None:
        """Promoted or not."""
        self.good("PUT", ANN, {"role": role})
        self.truth.asked.set_role(role, self.truth.now)
        self.settle()

    def sso_changes(self) -> None:
        """Under the identity provider, or away from it: then a grace period starts."""
        self.good("PUT", ANN, {"sso": not self.truth.is_sso})
        self.settle()
        self.truth.is_sso = not self.truth.is_sso
        if self.truth.is_sso:
            self.truth.sso_since = self.truth.now
            self.truth.cancel_recovery()
            self.truth.drop_pending()
        else:
            self.truth.asked.subject_since = self.truth.now

    def account_is_switched(self) -> None:
        """Off, and later on again: what it has lies dormant, what was under way is over."""
        self.good("PUT", ANN, {"active": not self.truth.is_active})
        self.settle()
        truth = self.truth
        truth.is_active = not truth.is_active
        if not truth.is_active:
            truth.away_since = truth.now
            truth.cancel_recovery()
            truth.drop_pending()
        elif truth.away_since is not None:
            truth.asked.is_back(truth.now, truth.away_since)

    def password_changes(self) -> None:
        """Trusted browsers end, a recovery waits longer."""
        event = {"specversion": "1.0", "id": str(new_id()), "source": "/desk", "type": "account.password_changed"}
        self.truth.password_changed_at = self.desk.now
        changed = {"changed_at": self.desk.now.isoformat()}
        self.good("POST", "/v1/events", {**event, "subject": "ann", "data": changed})
        self.settle()
        self._put_off()

    def address_changes(self, *, is_verified: bool) -> None:
        """A recovery waits longer, and the new one proves nothing for a week."""
        self.truth.address_changed_at, self.truth.email = self.desk.now, new_address()
        self.truth.is_address_proved, self.truth.is_address_verified = False, is_verified
        self.good("PUT", ANN, {"email": self.truth.email, "email_verified": is_verified})
        self.settle()
        self._put_off()

    def _put_off(self) -> None:
        request = self.truth.recovery
        if request is not None and request.ready_at is not None and request.proved_at is not None:
            request.ready_at = max(request.ready_at, self.truth.earliest_end(request.proved_at))

    def account_is_erased(self, *, later: bool) -> None:
        """And made again, by the same id: whatever was good for the one before is good for nothing."""
        self.good("DELETE", ANN)
        self.settle()
        self.refused("GET", ANN, None, "account_not_found")
        login = {"account_id": "ann", "first_factor": {"method": "sso"}}
        self.refused("POST", "/v1/logins", login, "account_not_found")
        if later:
            self.product.do(self.desk.move_clock(DAY))
            self.settle()
        email = new_address()
        self.truth = self.truth.born_again(self.desk.now, email)
        self.is_made()
        self.settle()
        self.refused("GET", f"{ANN}/recovery", None, "recovery_not_found")
        seen = self.good("GET", ANN)
        assert (seen["factors"], seen["throttled_until"]) == ([], None)

    def is_made(self) -> None:
        """An agent with an address and a phone."""
        body = {"role": "agent", "email": self.truth.email, "email_verified": True, "phone": "+447700900123"}
        self.good("PUT", ANN, body)
