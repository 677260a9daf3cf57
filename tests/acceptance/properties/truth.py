"""What must be true of one account, whatever was done to it."""

import datetime as dt
from dataclasses import dataclass, field, replace

from tests.acceptance.properties.guessing import CODE, Guesses
from tests.acceptance.properties.requirement import Requirement
from tests.acceptance.properties.things import DAY, Factor, Paper, Proof, Recovery, Token, is_before


@dataclass(slots=True)
class Truth:
    """The account, its tenant's policy, and what follows from both."""

    now: dt.datetime
    email: str
    asked: Requirement
    is_sso: bool = False
    is_active: bool = True
    away_since: dt.datetime | None = None
    sso_since: dt.datetime | None = None
    last_success_at: dt.datetime | None = None  # with something of ours
    is_address_verified: bool = True
    is_address_proved: bool = False
    password_changed_at: dt.datetime | None = None
    address_changed_at: dt.datetime | None = None  # None: it is the one the account was made with
    factors: dict[str, Factor] = field(default_factory=dict)
    was_enrolled: bool = False
    epoch: int = 0
    paper: Paper = field(default_factory=Paper)
    guesses: Guesses = field(default_factory=Guesses)
    accepted: list[tuple[str, int]] = field(default_factory=list)  # every app and step that ever passed
    sent_and_used: list[tuple[str, str]] = field(default_factory=list, repr=False)
    tokens: list[Token] = field(default_factory=list)
    proofs: dict[str, Proof] = field(default_factory=dict)
    carried: str | None = None  # the proof on which factor or codes were replaced
    recoveries: list[Recovery] = field(default_factory=list)
    disputed: set[str] = field(default_factory=set)
    created_at: dt.datetime = field(init=False)

    def __post_init__(self) -> None:
        self.created_at = self.now

    def born_again(self, now: dt.datetime, email: str) -> "Truth":
        """Another account of the same id: nothing that was good for the one before is good for it."""
        paper = replace(self.paper, waiting=None)
        paper.void()
        tokens = [replace(token, epoch=None) for token in self.tokens]
        proofs = {proof_id: replace(proof, factor_id=None, is_void=True) for proof_id, proof in self.proofs.items()}
        asked = self.asked.of_newcomer(now)
        return Truth(now=now, email=email, asked=asked, paper=paper, tokens=tokens, proofs=proofs)

    # what holds

    @property
    def active(self) -> list[str]:
        """The factors that count."""
        return [factor_id for factor_id, factor in self.factors.items() if factor.is_active]

    @property
    def pending(self) -> list[str]:
        """Those that are being set up."""
        return [factor_id for factor_id, factor in self.factors.items() if not factor.is_active]

    @property
    def offered(self) -> set[str]:
        """What a challenge offers: of the methods that are on, unless nothing else is left."""
        allowed = self.asked.policy.get("methods", ("totp", "sms", "email"))
        return {each for each in self.active if self.factors[each].type in allowed} or set(self.active)

    @property
    def has_email_factor(self) -> bool:
        """Whether the mailbox is the way in already."""
        return any(self.factors[each].type == "email" for each in self.active)

    @property
    def recovery(self) -> Recovery | None:
        """The open request."""
        last = self.recoveries[-1] if self.recoveries else None
        return last if last is not None and last.state in ("draft", "waiting") else None

    def must_keep_one(self) -> bool | None:
        """Whether the last factor stays; None: an exemption is ending just now."""
        if not self.asked.is_covered():
            return False
        is_exempt = self.asked.is_exempt(self.now)
        return None if is_exempt is None else not is_exempt

    def decisions(self) -> set[str]:
        """What a login with the right password may be answered."""
        if not self.is_active:
            return {"deny"}
        return {"challenge"} if self.active else self.asked.of_bare(self.now, was_enrolled=self.was_enrolled)

    def decisions_for_api(self) -> set[str]:
        """What a password alone gets at the helpdesk's API."""
        if self.active or not self.is_active:
            return {"deny"}
        is_lenient = self.asked.policy.get("api_password") == "allow_in_grace"
        may = {"allow", "enrol_optional"} if is_lenient else {"allow"}
        return {"allow" if each in may else "deny" for each in self.decisions()}

    def is_trusted(self, token: Token) -> bool | None:
        """Whether a browser is still let in without a code; None: that ends just now."""
        was_changed = self.password_changed_at is not None and self.password_changed_at >= token.given_at
        allowed = self.asked.policy.get("methods", ("totp", "sms", "email"))
        is_off = token.method in ("totp", "sms") and token.method not in allowed
        if token.epoch != self.epoch or was_changed or is_off or not self.active:
            return False
        days = min(token.days, int(self.asked.policy.get("trusted_device_days", 30)))
        return is_before(self.now, token.given_at + days * DAY) if days else False

    def is_good(self, proof_id: str) -> bool | None:
        """Whether a proof allows a change; None: its ten minutes are just over."""
        return self.proofs[proof_id].is_fresh(self.now) if self.active and self.still_proves(proof_id) else False

    def still_proves(self, proof_id: str) -> bool:
        """Whether what was begun on it may go on, however long ago that was."""
        proof = self.proofs[proof_id]
        holds = proof.factor_id in self.active if proof.factor_id is not None else not proof.is_void
        return (holds or proof_id == self.carried) and not proof.is_disputed

    def needs_mailbox(self) -> bool:
        """Whether a first factor needs a mailed code first."""
        return self.was_enrolled or bool(self.asked.policy.get("enrolment_proof")) or "locked_out" in self.decisions()

    def has_mailbox(self) -> bool | None:
        """Whether the address serves recovery; None: it is just settling."""
        if self.is_address_proved or not self.is_address_verified:
            return self.is_address_proved
        is_new = is_before(self.now, (self.address_changed_at or self.created_at) + 7 * DAY)
        return None if is_new is None else not is_new

    def earliest_end(self, proved_at: dt.datetime) -> dt.datetime:
        """When a recovery that was proved then may be over."""
        hours = self.asked.policy.get("recovery", {}).get("wait_hours", 24)
        instants = [proved_at + dt.timedelta(hours=hours)]
        if self.password_changed_at is not None:
            instants.append(self.password_changed_at + 3 * DAY)
        if self.address_changed_at is not None:
            instants.append(self.address_changed_at + 7 * DAY)
        return max(instants)

    def are_unused(self) -> bool | None:
        """Whether its factors are over, because it signs in through SSO and used none for 90 days; None: just now."""
        if not self.is_sso or self.sso_since is None or not self.active:
            return False
        is_young = is_before(self.now, max(self.sso_since, self.last_success_at or self.sso_since) + 90 * DAY)
        return None if is_young is None else not is_young

    # what happens

    def confirmed(self, factor_id: str, step: int | None) -> None:
        """A factor counts, and another goes if it was replaced; what was trusted before, is not."""
        factor = self.factors[factor_id]
        factor.is_active = True
        if step is not None:
            factor.last_step = step
            self.accepted.append((factor_id, step))
        self.was_enrolled = True
        self.last_success_at = self.now
        self.epoch += 1
        self.guesses.succeeded()
        self.cancel_recovery()
        if factor.to is not None and factor.to == self.email:
            self.is_address_proved = True
        if factor.replaces in self.active:
            del self.factors[str(factor.replaces)]
            self.carried = factor.begun_on

    def removed(self, factor_id: str) -> None:
        """A factor goes; with the last one the codes."""
        del self.factors[factor_id]
        self.epoch += 1
        self.carried = None
        if not self.active:
            self.paper.void()
            self.shed_proofs()
            self.cancel_recovery("superseded")

    def shed_proofs(self, but: str | None = None) -> None:
        """What was shown by a code that stands in for a factor proves nothing any more; ``but`` goes on."""
        for proof in self.proofs.values():
            proof.is_void = True
        self.carried = but

    def forget_browsers(self) -> None:
        """None is trusted any more."""
        for token in self.tokens:
            token.epoch = None

    def drop_pending(self) -> None:
        """Nothing that was begun goes on."""
        for factor_id in self.pending:
            del self.factors[factor_id]

    def disturbed(self) -> None:
        """The owner says that it was somebody else: what that one may have brought about ends, but no factor."""
        self.forget_browsers()
        self.paper.void_recovery_code()
        self.paper.waiting = None
        self.drop_pending()
        self.shed_proofs()
        for proof in self.proofs.values():
            proof.is_disputed = True

    def cancel_recovery(self, state: str = "cancelled", *, is_attack: bool = False) -> None:
        """The open request ends."""
        request = self.recovery
        if request is not None:
            request.state, request.ended_at, request.is_attack = state, self.now, is_attack

    def executed(self) -> None:
        """2FA is off."""
        request = self.recovery
        assert request is not None
        request.state, request.ended_at = "executed", self.now
        self._taken_down()

    def reset(self) -> None:
        """An admin took everything down."""
        self.cancel_recovery()
        self._taken_down()

    def fall_into_disuse(self) -> None:
        """Nobody has looked for these factors for long."""
        extended_until = self.asked.extended_until
        self._taken_down()
        self.asked.extended_until = extended_until

    def _taken_down(self) -> None:
        if self.active:
            self.asked.extended_until = None
        self.factors = {}
        self.epoch += 1
        self.paper.void()
        self.paper.waiting = None
        self.shed_proofs()
        self.guesses = Guesses()

    def is_closed(self) -> bool | None:
        """Whether no code of a factor is judged now."""
        return self.guesses.is_closed(CODE, self.now)
