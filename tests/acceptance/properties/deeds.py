"""What people, thieves, helpdesks and admins do to Ann's account; each deed knows what must come of it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from shared.ids import new_id
from tests.acceptance.properties.hand import ANN, Hand
from tests.acceptance.properties.model import BLUR, DAY, MINUTE, App, Policy, Recovery, Token, Truth, step_at

HOUR = 60 * MINUTE
OVERDUE: Policy = {"required": {"scope": "all"}, "grace_days": 7}


class Deeds(Hand):
    """Each may be done whenever its condition holds; the conditions are the machine's."""

    def begin(self, start: str, policy: Policy) -> None:
        """Root signs in by SSO, so that no policy locks the last admin out; Ann is as old as her address must be."""
        self.good("PUT", "/v1/accounts/root", {"role": "admin", "sso": True})
        body = {"role": "agent", "email": "ann@acme.example", "email_verified": True, "phone": "+447700900123"}
        self.truth = Truth(now=self.desk.now)
        self.good("PUT", ANN, body)
        self.leap(8 * DAY)
        if start not in ("made", "overdue"):
            self.begun(self.good("POST", f"{ANN}/factors", {"type": "totp"}))
            self.confirm()
        if start == "enrolled twice":
            made = self.good("POST", f"{ANN}/factors", {"type": "totp", "proof": self.proof()})
            self.begun(made, on=self.truth.active[0])
            self.confirm()
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

    def change_policy(self, policy: Policy) -> None:
        """As the helpdesk does."""
        self.good("PUT", "/v1/policy", dict(policy))
        self.truth.now = self.desk.now
        self.truth.set_policy(policy)
        self.settle()

    def role_changes(self, role: str) -> None:
        """Promoted or not."""
        self.good("PUT", ANN, {"role": role})
        self.truth.now = self.desk.now
        self.truth.set_role(role)
        self.settle()

    def sso_changes(self) -> None:
        """Under the identity provider, or away from it: then a grace period starts."""
        self.good("PUT", ANN, {"sso": not self.truth.is_sso})
        self.settle()
        self.truth.is_sso = not self.truth.is_sso
        if self.truth.is_sso:
            self.truth.cancel_recovery()
            if (begun := self.truth.pending) is not None:
                del self.truth.apps[begun]  # and whatever else was under way
        else:
            self.truth.subject_since = self.truth.now

    def password_changes(self) -> None:
        """Trusted browsers end, a recovery waits longer."""
        event = {"specversion": "1.0", "id": str(new_id()), "source": "/desk", "type": "account.password_changed"}
        self.truth.password_changed_at = self.desk.now
        changed = {"changed_at": self.desk.now.isoformat()}
        self.good("POST", "/v1/events", {**event, "subject": "ann", "data": changed})
        self.settle()
        self.put_off()

    def address_changes(self) -> None:
        """A recovery waits longer, and the new one proves nothing for a week."""
        self.truth.address_changed_at = self.desk.now
        self.truth.is_address_proved = False
        self.good("PUT", ANN, {"email": f"ann@{new_id()}.example", "email_verified": True})
        self.settle()
        self.put_off()

    def put_off(self) -> None:
        """The model of a longer wait."""
        request = self.truth.recovery
        if request is not None and request.ready_at is not None and request.proved_at is not None:
            request.ready_at = max(request.ready_at, self.truth.earliest_end(request.proved_at))

    def first_factor_begins(self) -> None:
        """On the password alone where that is enough; else with a mailed code."""
        truth, body = self.truth, {"type": "totp"}
        decisions = truth.decisions()
        is_shut = "locked_out" in decisions and not truth.policy.get("enrol_when_locked_out")
        if len(decisions) > 1:
            return
        if not truth.needs_mailbox():
            self.begun(self.good("POST", f"{ANN}/factors", body))
            return
        self.refused("POST", f"{ANN}/factors", body, "proof_required", "no_mailbox")
        challenge = (self.login()["challenge"] or self.login(purpose="step_up")["challenge"]) if not is_shut else None
        if challenge is None:
            # an address that was changed just now proves nothing yet: an admin sets up, or the week passes
            assert is_shut or truth.has_mailbox() is not True, "there is no way to enrol"
            return
        status, document = self.ask("POST", f"/v1/challenges/{challenge['id']}/send", {})
        if status == 202:
            status, document = self.verify(challenge, code=self.mailed_code())
            assert status == 200, document
            truth.is_address_proved = True
            self.begun(self.good("POST", f"{ANN}/factors", {**body, "proof": challenge["id"]}))
        else:
            assert document["code"] in ("too_many_sends", "too_soon", "throttled", "challenge_not_open"), document

    def another_factor_begins(self, *, has_proof: bool, replaces: bool) -> None:
        """Only on a fresh proof."""
        if not has_proof:
            self.refused("POST", f"{ANN}/factors", {"type": "totp"}, "proof_required")
            return
        proof = self.proof()
        if proof is not None and self.truth.active:
            replaced = {"replaces": self.truth.active[0]} if replaces else {}
            made = self.good("POST", f"{ANN}/factors", {"type": "totp", "proof": proof, **replaced})
            self.begun(made, replaces=replaced.get("replaces"), on=self.truth.active[0])

    def begun(self, made: Mapping[str, Any], replaces: str | None = None, on: str | None = None) -> None:
        """Who starts again has lost the first picture."""
        if (old := self.truth.pending) is not None:
            del self.truth.apps[old]
        self.truth.apps[made["factor"]["id"]] = App(made["totp"]["seed"], self.desk.now, begun_on=on)
        self.replaces = replaces
        self.settle()

    def enrolment_is_confirmed(self, *, is_right: bool) -> None:
        """By a code of the app that was set up, in a quarter of an hour."""
        truth, factor_id = self.truth, self.truth.pending
        assert factor_id is not None
        app, path = truth.apps[factor_id], f"{ANN}/factors/{factor_id}/confirm"
        if truth.now > app.begun_at + 15 * MINUTE - BLUR or app.wrong >= 4:
            if truth.now > app.begun_at + 15 * MINUTE + BLUR:
                body = {"code": app.code(step_at(self.desk.now))}
                self.refused("POST", path, body, "factor_not_pending", "factor_not_found")
            del truth.apps[factor_id]
            return
        if app.begun_on is not None and app.begun_on not in truth.active:
            self.refused("POST", path, {"code": app.code(step_at(self.desk.now))}, "proof_required")
            del truth.apps[factor_id]
            return
        if not is_right:
            self.refused("POST", path, {"code": self.wrong_code()}, "code_wrong")
            app.wrong += 1
            return
        self.confirm()

    def confirm(self) -> None:
        """With what the app shows now; the first factor brings codes, and a replaced one goes with it."""
        truth, factor_id = self.truth, str(self.truth.pending)
        is_first, step = not truth.active, step_at(self.desk.now)
        typed = {"code": truth.apps[factor_id].code(step)}
        confirmed = self.good("POST", f"{ANN}/factors/{factor_id}/confirm", typed)
        assert bool(confirmed.get("backup_codes")) == is_first
        truth.confirmed(factor_id, step)
        if self.replaces in truth.apps:
            truth.removed(str(self.replaces))
        if is_first:
            truth.codes = list(confirmed["backup_codes"])
        self.settle()

    def factor_is_removed(self, which: int) -> None:
        """Not the last one of who must have one."""
        proof = self.proof()
        if proof is None or not self.truth.active:
            return
        factor_id = self.truth.active[which % len(self.truth.active)]
        path = f"{ANN}/factors/{factor_id}?proof={proof}"
        if self.truth.is_required() and len(self.truth.active) == 1:
            self.refused("DELETE", path, None, "last_factor_required")
        else:
            self.good("DELETE", path)
            self.truth.removed(factor_id)
        self.settle()

    def signs_in(self, which: int, *, trusts: bool) -> None:
        """A right code passes unless codes are throttled, and then none does."""
        factor_id = self.truth.active[which % len(self.truth.active)]
        step = self.fresh_step(self.truth.apps[factor_id])
        if factor_id not in self.truth.apps:
            return  # a recovery was executed meanwhile
        throttled = self.is_throttled()
        code = self.truth.apps[factor_id].code(step)
        status, document = self.verify(self.login()["challenge"], factor_id=factor_id, code=code, trust_device=trusts)
        if throttled:
            assert document.get("code") == "throttled", document
            return
        assert status == 200, document
        self.passed(factor_id, step)
        may_trust = trusts and self.truth.policy.get("trusted_device_days", 30) > 0
        assert bool(document["trusted_device"]) == may_trust
        if may_trust:
            self.truth.tokens.append(Token(document["trusted_device"]["token"], self.desk.now, self.truth.epoch))
        self.settle()

    def signs_in_twice_in_a_minute(self, which: int) -> None:
        """With a code a little late, then with the next: both were good, and neither is again."""
        factor_id = self.truth.active[which % len(self.truth.active)]
        self.fresh_step(self.truth.apps[factor_id])
        into_the_next = 31 - int(self.desk.now.timestamp()) % 30
        self.leap(dt.timedelta(seconds=into_the_next))
        if factor_id not in self.truth.apps or self.is_throttled():
            return
        app, now = self.truth.apps[factor_id], step_at(self.desk.now)
        for step in (now - 1, now):
            status, document = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(step))
            assert status == 200, document
            self.passed(factor_id, step)
        for step in (now - 1, now):
            status, _ = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(step))
            assert status >= 400, "a code was accepted twice"
        self.settle()

    def replays_a_code(self, which: int) -> None:
        """Any code that ever passed, at any factor."""
        factor_id, step = self.truth.accepted[-1 - which % len(self.truth.accepted)]
        app = self.truth.apps.get(factor_id)
        if app is None:
            return
        status, document = self.verify(self.login()["challenge"], factor_id=factor_id, code=app.code(step))
        assert status >= 400, "a code was accepted twice"
        assert "assertion" not in document

    def guesses(self, count: int) -> None:
        """Somebody with the password."""
        for _ in range(count):
            status, _ = self.verify(self.login()["challenge"], code=self.wrong_code())
            assert status >= 400

    def signs_in_with_a_backup_code(self, which: int, *, trusts: bool) -> None:
        """Each is good once."""
        code = self.truth.codes[which % len(self.truth.codes)]
        status, document = self.verify(self.login()["challenge"], backup_code=code, trust_device=trusts)
        if status != 200:
            assert document["code"] == "throttled", document
            return
        self.truth.codes.remove(code)
        self.truth.used_codes.append(code)
        self.truth.cancel_recovery()
        if document["trusted_device"]:
            self.truth.tokens.append(Token(document["trusted_device"]["token"], self.desk.now, self.truth.epoch))
        self.settle()

    def replays_a_backup_code(self, which: int) -> None:
        """Used, or void."""
        code = self.truth.used_codes[which % len(self.truth.used_codes)]
        status, _ = self.verify(self.login()["challenge"], backup_code=code)
        assert status >= 400, "a backup code was accepted twice"

    def a_trusted_browser_signs_in(self, which: int) -> None:
        """Without a code as long as nothing has changed, and not a day longer."""
        token = self.truth.tokens[-1 - which % len(self.truth.tokens)]
        login = self.login(trusted_device_token=token.value)
        if self.truth.active and self.truth.is_trusted(token):
            assert (login["decision"], login["reason"]) == ("allow", "trusted_device")
        else:
            assert login["reason"] != "trusted_device"

    def lose_device(self) -> None:
        """As its owner does, or a thief."""
        truth = self.truth
        status, seen = self.ask("POST", f"{ANN}/recovery", {})
        if (request := truth.recovery) is not None:
            assert (status, seen["id"], seen["state"]) == (201, request.id, request.state)
        elif status != 201:
            self.refusal_is_due(str(seen["code"]))
        else:
            assert truth.active, "a recovery without a factor"
            assert not truth.is_sso
            assert truth.has_mailbox() is not False
            truth.recoveries.append(Recovery(seen["id"], self.desk.now))
        self.settle()

    def refusal_is_due(self, code: str) -> None:
        """No recovery, and why not."""
        truth = self.truth
        ended = [each.ended_at for each in truth.recoveries if each.is_attack and each.ended_at is not None]
        counted = [each for each in truth.recoveries if truth.now < each.requested_at + 30 * DAY + BLUR]
        is_off = not truth.active or truth.is_sso or truth.policy.get("recovery", {}).get("enabled") is False
        due = {
            "recovery_not_offered": is_off,
            "too_soon": bool(ended) and truth.now < max(ended) + DAY + BLUR,
            "too_many_recoveries": len(counted) >= 3,
            "no_mailbox": truth.has_mailbox() is not True,
        }
        assert due[code], code

    def prove_mailbox(self) -> None:
        """By the newest code."""
        request = self.truth.recovery
        assert request is not None
        asked = self.good("POST", f"{ANN}/recovery", {})  # mails another code where the first has expired
        self.settle()
        codes = [each["code"] for each in self.messages() if each["code"] and each["channel"] == "email"]
        if asked["state"] != "draft" or not codes:
            return
        status, _ = self.verify({"id": asked["challenge_id"]}, code=codes[-1])
        if status != 200:  # the day's mails are used up, or the code was that of another mail
            return
        self.settle()
        seen = self.good("GET", f"{ANN}/recovery")
        assert seen["state"] == "waiting", seen
        request.state, request.proved_at = "waiting", self.truth.now
        request.ready_at = self.truth.earliest_end(self.truth.now)
        assert dt.datetime.fromisoformat(seen["ready_at"]) >= request.ready_at - BLUR, "the wait is too short"
        self.truth.is_address_proved = True

    def recovery_is_cancelled(self, *, is_attack: bool) -> None:
        """By its owner; "not me" keeps the next one away for a day."""
        request = self.truth.recovery
        assert request is not None
        seen = self.good("POST", f"{ANN}/recovery/{request.id}/cancel", {"is_attack": is_attack})
        assert seen["state"] == "cancelled"
        self.truth.now = self.desk.now
        self.truth.cancel_recovery(is_attack=is_attack)
        self.settle()

    def admin_unlocks(self, hours: int) -> None:
        """For some hours."""
        body = {"hours": hours, "reason": "On the phone", "actor": "root"}
        self.good("POST", f"{ANN}/unlock", body)
        until = self.desk.now + hours * HOUR
        self.truth.extended_until = until
        self.settle()

    def admin_requires(self, *, is_required: bool) -> None:
        """Of this account, whatever the policy says."""
        body = {"required": is_required, "reason": "Works with the payroll", "actor": "root"}
        self.good("PUT", f"{ANN}/enforcement", body)
        self.truth.now = self.desk.now
        self.truth.set_alone(is_required=is_required)
        self.settle()

    def admin_exempts(self) -> None:
        """For two days."""
        until = self.desk.now + 2 * DAY
        body = {"exempt_until": until.isoformat(), "reason": "On leave", "actor": "root"}
        self.good("PUT", f"{ANN}/enforcement", body)
        self.truth.exempt_until = until
        self.settle()

    def admin_resets(self) -> None:
        """All of it goes, with a recovery that waits; where a factor is required the next login enrols."""
        told = self.good("POST", f"{ANN}/reset", {"reason": "New phone", "actor": "root"})
        assert told["revoked_factors"] == len(self.truth.active)
        self.truth.now = self.desk.now
        self.truth.reset()
        self.settle()

    def admin_makes_a_recovery_code(self, minutes: int, *, waits: bool, trusts: bool) -> None:
        """Good once and for so long, and never for a device to be trusted."""
        body = {"reason": "On the phone", "actor": "root", "minutes": minutes}
        code = self.good("POST", f"{ANN}/recovery-codes", body)["recovery_code"]
        if waits:
            self.leap((minutes + 1) * MINUTE)
        for is_good in (not waits, False):
            login = self.login()
            if login["decision"] != "challenge":
                return  # a recovery was executed meanwhile
            status, document = self.verify(login["challenge"], recovery_code=code, trust_device=trusts)
            assert (status == 200) == is_good, document
            if is_good:
                assert document["trusted_device"] is None
                self.truth.cancel_recovery()
        self.settle()
