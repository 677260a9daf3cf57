"""What is typed at the prompt: by the account's owner, or by who has the password and looked over a shoulder."""

import datetime as dt

from services.cli.demo.helpdesk import Json
from tests.acceptance.properties.guessing import WRONG
from tests.acceptance.properties.hand import Hand
from tests.acceptance.properties.things import Token, step_at

_WRONG_PAPER = "0-0000-0000-0000-0000"


class TypingIn(Hand):
    """Each deed knows what must come of it; when it may be done is the machine's to know."""

    def signs_in(self, which: int, *, trusts: bool) -> None:
        """A right code passes, and earns trust where it may: never a mailed one."""
        truth = self.truth
        factor_id = truth.active[which % len(truth.active)]
        method, passed = truth.factors[factor_id].type, self.pass_with(factor_id, "sign_in", trust_device=trusts)
        if passed is None:
            return
        days = int(truth.asked.policy.get("trusted_device_days", 30))
        may_trust = trusts and days > 0 and method != "email"
        device = passed[1]["trusted_device"]
        assert bool(device) == may_trust
        if device:
            truth.tokens.append(Token(device["token"], truth.now, truth.epoch, days, method))
        self.settle()

    def signs_in_twice_in_a_minute(self, which: int) -> None:
        """With a code a little late, then with the next: both were good, and neither is again."""
        factor_id = self._an_app(which)
        if factor_id is None:
            return
        self.fresh_step(self.truth.factors[factor_id])
        self.leap(dt.timedelta(seconds=31 - int(self.desk.now.timestamp()) % 30))
        if factor_id not in self.truth.offered or self.truth.is_closed() is not False:
            return
        app, now = self.truth.factors[factor_id], step_at(self.desk.now)
        if app.last_step >= now - 1 or app.burnt & {now - 1, now}:
            return
        for step in (now - 1, now):
            status, document = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(step))
            assert status == 200, document
            self.passed(factor_id, step, app.code(step))
        for step in (now - 1, now):
            status, _ = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(step))
            assert status >= 400, "a code was accepted twice"
        self.settle()

    def _an_app(self, which: int) -> str | None:
        apps = [each for each in self.truth.active if self.truth.factors[each].is_app and each in self.truth.offered]
        return apps[which % len(apps)] if apps else None

    def replays_a_code(self, which: int) -> None:
        """Any code that ever passed, at its factor."""
        truth, spent = self.truth, self.truth.accepted + self.truth.sent_and_used
        factor_id, used = spent[-1 - which % len(spent)]
        factor = truth.factors.get(factor_id)
        if factor is None or (challenge := self.login()["challenge"]) is None or factor_id not in truth.offered:
            return
        code = factor.code(used) if isinstance(used, int) else used
        status, document = self.verify(challenge, factor_id=factor_id, code=code)
        assert status >= 400, "a code was accepted twice"
        assert "assertion" not in document

    def types_a_code_of_another_time(self, which: int) -> None:
        """Right in some minutes: said so at most, and not right then."""
        factor_id = self._an_app(which)
        if factor_id is None:
            return
        app, coming = self.truth.factors[factor_id], step_at(self.desk.now) + 3 + which % 7
        status, document = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(coming))
        assert status >= 400, "the code of another time was accepted"
        if document["code"] != "clock_off":
            return
        app.burnt.add(coming)
        self.leap(dt.timedelta(seconds=30 * coming - self.desk.now.timestamp() + 1))
        if factor_id in self.truth.offered:
            status, _ = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(coming))
            assert status >= 400, "a step that was named in a hint was accepted"

    def guesses(self, count: int) -> None:
        """Somebody with the password."""
        factor_id = next(iter(self.truth.offered))
        for _ in range(count if self.truth.guesses.in_all < 90 else 0):
            status, _ = self.verify(self.login()["challenge"], factor_id=factor_id, code=self.wrong_code())
            assert status >= 400

    def guesses_what_is_on_paper(self, kind: str, count: int) -> None:
        """Each kind is a lane of its own."""
        for _ in range(count):
            status, document = self.verify(self.login()["challenge"], **{kind: _WRONG_PAPER})
            assert status >= 400
            assert document["code"] in (*WRONG, "throttled", "no_backup_codes", "no_recovery_key"), document

    def signs_in_with_a_backup_code(self, which: int, *, trusts: bool, purpose: str) -> None:
        """Each is good once."""
        paper = self.truth.paper
        code = paper.codes[which % len(paper.codes)]
        document = self._types("backup_code", code, purpose, trusts=trusts)
        if document is not None:
            paper.codes.remove(code)
            assert document["backup_codes_left"] == len(paper.codes)

    def signs_in_with_the_recovery_key(self, *, trusts: bool, purpose: str) -> None:
        """Another one takes its place."""
        paper = self.truth.paper
        document = self._types("recovery_key", str(paper.key), purpose, trusts=trusts)
        if document is not None:
            assert document["recovery_key"] not in (None, paper.key)
            paper.key = document["recovery_key"]

    def signs_in_with_an_admins_code(self, *, trusts: bool, purpose: str) -> None:
        """Good once and for so long, and never for a device to be trusted."""
        paper = self.truth.paper
        assert paper.recovery_code is not None
        assert paper.recovery_code_until is not None
        if abs(self.truth.now - paper.recovery_code_until) < dt.timedelta(minutes=1):
            return
        if self.truth.now > paper.recovery_code_until:
            paper.void_recovery_code()
            return  # to be replayed
        document = self._types("recovery_code", paper.recovery_code, purpose, trusts=trusts)
        if document is not None:
            assert document["trusted_device"] is None
            paper.recovery_code = None

    def _types(self, kind: str, code: str, purpose: str, *, trusts: bool) -> Json | None:
        challenge = self.login(purpose=purpose)["challenge"]
        status, document = self.verify(challenge, **{kind: code}, trust_device=trusts)
        if status != 200:
            assert document["code"] == "throttled", document
            return None
        self.truth.paper.dead.append((kind, code))
        if device := document["trusted_device"]:
            assert (kind != "recovery_code", purpose) == (True, "sign_in")
            days = int(self.truth.asked.policy.get("trusted_device_days", 30))
            self.truth.tokens.append(Token(device["token"], self.truth.now, self.truth.epoch, days, kind))
        self.settle()
        return document

    def replays_what_is_on_paper(self, which: int) -> None:
        """Used, void, over, or of an account that is no more."""
        dead = self.truth.paper.dead
        kind, code = dead[-1 - which % len(dead)]
        status, _ = self.verify(self.login()["challenge"], **{kind: code})
        assert status >= 400, "a code on paper was accepted twice"

    def a_trusted_browser_signs_in(self, which: int) -> None:
        """Without a code as long as nothing has changed, not a day longer, and for nothing but a sign-in."""
        truth, token = self.truth, self.truth.tokens[-1 - which % len(self.truth.tokens)]
        stepping_up = self.login(purpose="step_up", trusted_device_token=token.value)
        assert stepping_up["decision"] != "allow"
        is_trusted = truth.is_trusted(token)
        login = self.login(trusted_device_token=token.value)
        if is_trusted is not None:
            assert (login["reason"] == "trusted_device") == (is_trusted and truth.is_active), (login, token)
        assert login["reason"] != "trusted_device" or login["decision"] == "allow"

    def browsers_are_forgotten(self) -> None:
        """By their owner."""
        self.good("DELETE", "/v1/accounts/ann/trusted-devices")
        self.truth.forget_browsers()
        self.settle()

    def signs_in_elsewhere(self) -> None:
        """Through the identity provider, and with the password at the helpdesk's own API."""
        by_sso = self.login(first_factor={"method": "sso", "idp": "https://idp.example"})
        assert by_sso["decision"] == ("allow" if self.truth.is_active else "deny")
        assert self.login(purpose="api_password")["decision"] in self.truth.decisions_for_api()
