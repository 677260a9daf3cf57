"""How factors are set up, replaced and removed, and their codes on paper made again."""

from collections.abc import Mapping
from typing import Any

from tests.acceptance.properties.hand import ANN, BY_ROOT, Hand
from tests.acceptance.properties.things import BLUR, MINUTE, Factor, Waiting, is_before, step_at

_NOT_SENT = ("too_many_sends", "too_soon")


class Enrolling(Hand):
    """Each deed knows what must come of it; when it may be done is the machine's to know."""

    def first_factor_begins(self, kind: str) -> None:
        """On the password alone where that is enough; else with a mailed code."""
        truth, decisions = self.truth, self.truth.decisions()
        is_shut = "locked_out" in decisions and not truth.asked.policy.get("enrol_when_locked_out")
        if len(decisions) > 1 or not self._is_allowed(kind):
            return
        if not truth.needs_mailbox():
            self._begins({"type": kind})
            return
        self.refused("POST", f"{ANN}/factors", {"type": kind}, "proof_required", "no_mailbox")
        challenge = (self.login()["challenge"] or self.login(purpose="step_up")["challenge"]) if not is_shut else None
        if challenge is None:
            # an address that was changed just now proves nothing yet: an admin sets up, or the week passes
            assert is_shut or truth.has_mailbox() is not True, "there is no way to enrol"
            return
        status, document = self.ask("POST", f"/v1/challenges/{challenge['id']}/send", {})
        if status == 202:
            self.settle()
            mail = self.sent_codes("email")[-1]
            status, document = self.verify(challenge, code=mail["code"])
            if status == 200:
                truth.is_address_proved = truth.is_address_proved or mail["to"] == truth.email
                self._begins({"type": kind, "proof": challenge["id"]})
                return
        assert document["code"] in (*_NOT_SENT, "throttled", "challenge_not_open"), document

    def admin_sets_up(self, kind: str) -> None:
        """For an account that has none: whatever stands in the way of the password, the admin vouches."""
        if not self._is_allowed(kind, **BY_ROOT):
            return
        if self.truth.active:
            self.refused("POST", f"{ANN}/factors", {"type": kind, **BY_ROOT}, "has_factors")
        else:
            self._begins({"type": kind, **BY_ROOT})

    def another_factor_begins(self, kind: str, *, has_proof: bool, replaces: bool) -> None:
        """Only on a fresh proof."""
        if not self._is_allowed(kind):
            return
        if not has_proof:
            self.refused("POST", f"{ANN}/factors", {"type": kind}, "proof_required")
            return
        proof = self.proof()
        if proof is not None and self.truth.active:
            replaced = {"replaces": self.truth.active[0]} if replaces else {}
            self._begins({"type": kind, "proof": proof, **replaced}, on=proof)

    def _is_allowed(self, kind: str, **by: str) -> bool:
        """Only the methods of the policy."""
        is_allowed = kind in self.truth.asked.policy.get("methods", ("totp", "sms", "email"))
        if not is_allowed:
            self.refused("POST", f"{ANN}/factors", {"type": kind, **by}, "method_not_allowed")
        return is_allowed

    def _begins(self, body: dict[str, Any], on: str | None = None) -> None:
        kind = body["type"]
        before = len(self.sent_codes(kind)) if kind != "totp" else 0
        status, made = self.ask("POST", f"{ANN}/factors", body)
        if status != 201:
            is_unverified = kind == "email" and not (self.truth.is_address_verified or self.truth.is_address_proved)
            assert made["code"] == "email_not_verified" if is_unverified else made["code"] in _NOT_SENT, made
            return
        self.settle()
        self.begun(made, on=on, replaces=body.get("replaces"), by_admin="actor" in body)
        if kind != "totp" and len(sent := self.sent_codes(kind)) > before:
            factor = self.truth.factors[made["factor"]["id"]]
            factor.sent_code, factor.sent_at, factor.to = sent[-1]["code"], self.truth.now, sent[-1]["to"]

    def begun(
        self, made: Mapping[str, Any], *, on: str | None = None, replaces: str | None = None, by_admin: bool = False
    ) -> None:
        """Who starts again has lost the first picture; codes that are shown now wait for this factor alone."""
        truth, kind = self.truth, made["factor"]["type"]
        shows = truth.asked.policy.get("backup_codes") == "before_activation" and not truth.active and not by_admin
        for factor_id in truth.pending:
            if shows or truth.factors[factor_id].type == kind:
                del truth.factors[factor_id]
        seed = made["totp"]["seed"] if kind == "totp" else None
        truth.factors[made["factor"]["id"]] = Factor(kind, truth.now, seed=seed, begun_on=on, replaces=replaces)
        codes, key = self._shown(made)
        assert bool(codes or key) == shows, "codes are shown before activation, or not"
        if not truth.active:
            truth.paper.waiting = Waiting(codes, key, truth.now + 15 * MINUTE) if shows else None

    def _shown(self, made: Mapping[str, Any]) -> tuple[list[str], str | None]:
        codes, key = list(made.get("backup_codes") or ()), made.get("recovery_key")
        if codes or key:
            kinds = self.truth.asked.policy.get("recovery_key", "none")
            assert (len(codes), key is not None) == (0 if kinds == "instead" else 10, kinds != "none")
        return codes, key

    def codes_are_saved(self) -> None:
        """So the person says."""
        if (waiting := self.truth.paper.waiting) is not None and self.truth.now < waiting.until - BLUR:
            self.good("POST", f"{ANN}/backup-codes/acknowledge", {})
            waiting.is_saved = True

    def enrolment_is_confirmed(self, which: int, *, is_right: bool) -> None:
        """By a code of what was set up, in a quarter of an hour."""
        truth = self.truth
        factor_id = truth.pending[which % len(truth.pending)]
        factor, path = truth.factors[factor_id], f"{ANN}/factors/{factor_id}/confirm"
        is_young = is_before(truth.now, factor.begun_at + 15 * MINUTE)
        if not is_young or factor.wrong >= 4:
            if is_young is False:
                self.refused("POST", path, {"code": "314159"}, "factor_not_pending", "factor_not_found")
            del truth.factors[factor_id]
        elif factor.begun_on is not None and not truth.still_proves(factor.begun_on):
            self.refused("POST", path, {"code": "314159"}, "proof_required")
            del truth.factors[factor_id]
        elif not truth.active and truth.paper.waiting is not None and not truth.paper.waiting.is_saved:
            self.refused("POST", path, {"code": "314159"}, "codes_unsaved")
        elif not is_right:
            self.refused("POST", path, {"code": self.wrong_code()}, "code_wrong")
            factor.wrong += 1
        else:
            self.confirm(factor_id)

    def confirm(self, factor_id: str) -> None:
        """With what the app shows now, or what was sent; the first factor brings codes, a replaced one goes with it."""
        truth, factor = self.truth, self.truth.factors[factor_id]
        step = step_at(self.desk.now) if factor.is_app else None
        code = factor.code(step) if step is not None else self._proving_code(factor_id, factor)
        if code is None:
            return
        is_first, waiting = not truth.active, truth.paper.waiting
        confirmed = self.good("POST", f"{ANN}/factors/{factor_id}/confirm", {"code": code})
        codes, key = self._shown(confirmed)
        assert bool(codes or key) == (is_first and waiting is None), "the first factor brings codes, once"
        truth.confirmed(factor_id, step)
        if is_first:
            truth.drop_pending()
            self._are_good(codes, key) if waiting is None else self._are_good(waiting.codes, waiting.key)
            truth.paper.waiting = None
        self.settle()

    def _are_good(self, codes: list[str], key: str | None) -> None:
        self.truth.paper.void()
        self.truth.paper.codes, self.truth.paper.key = list(codes), key

    def _proving_code(self, factor_id: str, factor: Factor) -> str | None:
        """What was sent to the phone or mailbox; once that is old, another one."""
        if factor.sent_at is not None and self.truth.now < factor.sent_at + 9 * MINUTE:
            return factor.sent_code
        before = len(self.sent_codes(factor.type))
        status, document = self.ask("POST", f"{ANN}/factors/{factor_id}/send", {})
        if status >= 400:
            assert document["code"] in (*_NOT_SENT, "challenge_expired", "factor_not_pending"), document
            return None
        self.settle()
        sent = self.sent_codes(factor.type)
        if len(sent) == before:
            return None
        factor.sent_code, factor.sent_at, factor.to = sent[-1]["code"], self.truth.now, sent[-1]["to"]
        return factor.sent_code

    def factor_is_removed(self, which: int) -> None:
        """Not the last one of who must have one."""
        proof = self.proof()
        if proof is not None and self.truth.active:
            self._is_removed(self.truth.active[which % len(self.truth.active)], proof)

    def _is_removed(self, factor_id: str, proof: str) -> None:
        path = f"{ANN}/factors/{factor_id}?proof={proof}"
        must_keep_one = self.truth.must_keep_one() if len(self.truth.active) == 1 else False
        if must_keep_one is None:
            return
        if must_keep_one:
            self.refused("DELETE", path, None, "last_factor_required")
        else:
            self.good("DELETE", path)
            self.truth.removed(factor_id)
        self.settle()

    def codes_are_made_again(self) -> None:
        """The old ones are void, and what was shown by one of them proves nothing more."""
        proof = self.proof()
        if proof is not None and self.truth.active:
            self._made_again(proof)

    def _made_again(self, proof: str) -> None:
        codes, key = self._shown(self.good("POST", f"{ANN}/backup-codes", {"proof": proof}))
        assert codes or key
        self._are_good(codes, key)
        self.truth.shed_proofs(but=proof)
        self.settle()

    def an_old_proof_is_shown(self, which: int) -> None:
        """It is good for ten minutes, and for no longer than what it was given for: then nothing changes by it."""
        truth, proof = self.truth, list(self.truth.proofs)[-1 - which % len(self.truth.proofs)]
        match truth.is_good(proof):
            case None:
                return
            case False:
                self.refused("POST", f"{ANN}/backup-codes", {"proof": proof}, "proof_required")
                self.refused("POST", f"{ANN}/factors", {"type": self._kind(), "proof": proof}, "proof_required")
                self.refused("DELETE", f"{ANN}/factors/{truth.active[0]}?proof={proof}", None, "proof_required")
            case True if which % 3 == 0:
                self._made_again(proof)
            case True if which % 3 == 1:
                self._is_removed(truth.active[which % len(truth.active)], proof)
            case True:
                self._begins({"type": self._kind(), "proof": proof}, on=proof)

    def _kind(self) -> str:
        return str(self.truth.asked.policy.get("methods", ("totp",))[0])
