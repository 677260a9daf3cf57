"""The device is lost, so somebody says; and the owner says that it was not so."""

from tests.acceptance.properties.hand import ANN, BY_ROOT, Hand
from tests.acceptance.properties.things import BLUR, DAY, Recovery


class Recovering(Hand):
    """Each deed knows what must come of it; when it may be done is the machine's to know."""

    def lose_device(self) -> None:
        """As its owner does, or a thief."""
        truth, older_messages = self.truth, len(self.messages())
        status, seen = self.ask("POST", f"{ANN}/recovery", {})
        if (request := truth.recovery) is not None:
            assert (status, seen["id"], seen["state"]) == (201, request.id, request.state)
        elif status != 201:
            self._refusal_is_due(str(seen["code"]))
        else:
            assert truth.active, "a recovery without a factor"
            assert not truth.is_sso
            assert not truth.has_email_factor, "a recovery by the mailbox that is the factor"
            assert truth.has_mailbox() is not False
            truth.recoveries.append(Recovery(seen["id"], self.desk.now, older_messages=older_messages))
        self.settle()

    def _refusal_is_due(self, code: str) -> None:
        truth = self.truth
        ended = [each.ended_at for each in truth.recoveries if each.is_attack and each.ended_at is not None]
        counted = [each for each in truth.recoveries if truth.now < each.requested_at + 30 * DAY + BLUR]
        is_off = not truth.active or truth.is_sso or truth.asked.policy.get("recovery", {}).get("enabled") is False
        due = {
            "recovery_not_offered": is_off or truth.has_email_factor,
            "too_soon": bool(ended) and truth.now < max(ended) + DAY + BLUR,
            "too_many_recoveries": len(counted) >= 3,
            "no_mailbox": truth.has_mailbox() is not True,
            "account_inactive": not truth.is_active,
        }
        assert due[code], code

    def prove_mailbox(self) -> None:
        """By the newest code."""
        request = self.truth.recovery
        assert request is not None
        asked = self.good("POST", f"{ANN}/recovery", {})  # mails another code where the first has expired
        self.settle()
        codes = self.sent_codes("email")
        if asked["state"] != "draft" or not codes:
            return
        status, _ = self.verify({"id": asked["challenge_id"]}, code=codes[-1]["code"])
        if status != 200:  # the day's mails are used up, or the code was that of another mail
            return
        self.settle()
        seen = self.good("GET", f"{ANN}/recovery")
        assert seen["state"] == "waiting", seen
        request.state, request.proved_at = "waiting", self.truth.now
        request.ready_at = self.truth.earliest_end(self.truth.now)
        self.is_on_time(request, seen)
        self.truth.is_address_proved = self.truth.is_address_proved or codes[-1]["to"] == self.truth.email

    def recovery_is_cancelled(self, *, is_attack: bool) -> None:
        """By its owner; "not me" keeps the next one away for a day."""
        request = self.truth.recovery
        assert request is not None
        seen = self.good("POST", f"{ANN}/recovery/{request.id}/cancel", {"is_attack": is_attack})
        assert seen["state"] == "cancelled"
        self.truth.cancel_recovery(is_attack=is_attack)
        if is_attack:
            self.truth.disturbed()
        self.settle()

    def recovery_is_denied(self) -> None:
        """By an admin."""
        request = self.truth.recovery
        assert request is not None
        self.good("POST", f"{ANN}/recovery/{request.id}/deny", BY_ROOT)
        self.truth.cancel_recovery("denied")
        self.settle()

    def a_notice_is_disputed(self, which: int) -> None:
        """The button behind its link: trusts end, an open recovery too, and no factor goes."""
        truth = self.truth
        notices = [(at, each) for at, each in enumerate(self.messages()) if "/not-me?" in each["text"]]
        if not notices:
            return
        at, notice = notices[-1 - which % min(len(notices), 5)]
        status = self.press(notice, "/not-me")
        assert status in (200, 410), status  # 410: the notice is a month old
        if status == 200 and notice["id"] not in truth.disputed:
            truth.disputed.add(notice["id"])
            if truth.recovery is not None and truth.recovery.older_messages <= at:
                truth.cancel_recovery(is_attack=True)
            truth.disturbed()
