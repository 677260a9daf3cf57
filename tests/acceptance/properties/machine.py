"""Random lives of an account, through HTTP; after every step the product and the model must agree."""

import datetime as dt
from collections.abc import Callable
from random import Random

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.acceptance.properties.deeds import Deeds
from tests.acceptance.properties.hand import ANN
from tests.acceptance.properties.requirement import HINDERED, POLICIES, Policy
from tests.acceptance.properties.things import DAY, HOUR, MINUTE
from tests.support.in_one_thread import Product

Way = Callable[[], None]

MINUTES = (MINUTE, 3 * MINUTE, 9 * MINUTE, 16 * MINUTE)
LEAPS = (HOUR, 13 * HOUR, 25 * HOUR, 25 * HOUR, 49 * HOUR, 4 * DAY, 8 * DAY, 31 * DAY)
KINDS = ("totp", "totp", "sms", "email")
PURPOSES = ("sign_in", "step_up")
PAPER = ("backup_code", "recovery_key", "recovery_code")
SIDES = 60
PICK = st.integers(min_value=0, max_value=SIDES - 1)
SO = st.booleans()


class Lives(RuleBasedStateMachine):
    """Ann lives; Root is the admin. `product` and `start` are set on a subclass.

    One rule, which does one of what can be done now: a rule of its own for each deed would leave most lives without
    most deeds, and most accounts without a factor.
    """

    product: Product
    start: str
    salt: int

    def __init__(self) -> None:
        super().__init__()
        self.deeds = Deeds(self.product)
        self.dice = Random()

    def teardown(self) -> None:
        """The backend's connections."""
        self.deeds.close()

    @initialize(life=st.integers(min_value=0, max_value=2**32))
    def begin(self, life: int) -> None:
        """So far she has come."""
        self.dice = Random(f"{self.salt}/{life}")
        policy = self.dice.choice(POLICIES)
        note(f"  {policy}")
        self.deeds.begin(self.start, policy)

    def turned(self, drawn: int, sides: int) -> int:
        """Another number: what hypothesis draws first, and all where it draws few, is the simplest there is."""
        return (drawn + self.dice.randrange(sides)) % sides

    @rule(how=PICK, pick=PICK, which=PICK, so=SO)
    def something_happens(self, how: int, pick: int, which: int, *, so: bool) -> None:
        """Mostly with factors and codes: there is most to be done wrong."""
        pick, which, so = self.turned(pick, SIDES), self.turned(which, SIDES), bool(self.turned(so, 2))
        match self.turned(how, 16):
            case 0:
                self.time_passes(MINUTES[which % len(MINUTES)])
            case 1:
                self.time_passes(LEAPS[which % len(LEAPS)])
            case 2 | 3:
                self.the_helpdesk_says(pick, POLICIES[which % len(POLICIES)], so=so)
            case 4 | 5:
                self.an_admin_acts(pick, which, so=so)
            case 6 | 7:
                self.the_device_is_lost(pick, which, so=so)
            case 8 | 9 | 10 | 11:
                self.factors_change(pick, which, so=so)
            case _:
                self.somebody_types(pick, which, so=so)

    def time_passes(self, by: dt.timedelta) -> None:
        """Forward, as it does."""
        note(f"  {by}")
        self.deeds.leap(by)

    def the_helpdesk_says(self, pick: int, policy: Policy, *, so: bool) -> None:
        """News of the account, or another policy."""
        deeds, truth = self.deeds, self.deeds.truth
        if not truth.is_active:
            deeds.account_is_switched()
            return
        role = "customer" if truth.asked.role == "agent" else "agent"
        one_of(
            pick,
            lambda: deeds.change_policy(policy),
            deeds.password_changes,
            lambda: deeds.address_changes(is_verified=so),
            lambda: deeds.role_changes(role),
            deeds.sso_changes,
            lambda: deeds.change_policy(policy),
            deeds.account_is_switched if so else deeds.sso_changes,
            lambda: deeds.account_is_erased(later=so),
        )

    def somebody_types(self, pick: int, which: int, *, so: bool) -> None:
        """Its owner, or who has the password and looked over a shoulder."""
        deeds, truth, purpose = self.deeds, self.deeds.truth, PURPOSES[which % 2]
        ways: list[Way] = [deeds.signs_in_elsewhere] if which % 3 == 0 else []
        if truth.active and truth.is_active:
            ways += [
                lambda: deeds.signs_in(which, trusts=so),
                lambda: deeds.signs_in(which, trusts=so),
                lambda: deeds.signs_in_twice_in_a_minute(which),
                lambda: deeds.types_a_code_of_another_time(which),
                lambda: deeds.guesses(1 + which % 6),
                lambda: deeds.guesses_what_is_on_paper(PAPER[which % 3], 1 + which % 6),
            ]
            paper = truth.paper
            ways += [lambda: deeds.replays_a_code(which)] if truth.accepted else []
            if paper.codes:
                ways += [lambda: deeds.signs_in_with_a_backup_code(which, trusts=so, purpose=purpose)]
            if paper.key is not None:
                ways += [lambda: deeds.signs_in_with_the_recovery_key(trusts=so, purpose=purpose)]
            if paper.recovery_code is not None:
                ways += [lambda: deeds.signs_in_with_an_admins_code(trusts=so, purpose=purpose)] * 2
            ways += [lambda: deeds.replays_what_is_on_paper(which)] if paper.dead else []
        if truth.tokens:
            ways += [lambda: deeds.a_trusted_browser_signs_in(which)] * 2
            ways += [deeds.browsers_are_forgotten]
        one_of(pick, *ways)

    def factors_change(self, pick: int, which: int, *, so: bool) -> None:
        """Begun, confirmed, removed."""
        deeds, truth, kind = self.deeds, self.deeds.truth, KINDS[which % 4]
        ways: list[Way] = []
        if not truth.is_active:
            return
        if truth.pending:
            ways += [lambda: deeds.enrolment_is_confirmed(which, is_right=which % 5 != 0)] * 3
            ways += [deeds.codes_are_saved] * 2 if truth.paper.waiting is not None else []
            ways += [lambda: deeds.first_factor_begins(kind)] if not truth.active else []
        elif not truth.active:
            ways += [lambda: deeds.first_factor_begins(kind)]
        if truth.active:
            ways += [lambda: deeds.factor_is_removed(which), deeds.codes_are_made_again]
            ways += [lambda: deeds.an_old_proof_is_shown(which)] * 2 if truth.proofs else []
            if len(truth.active) < 4:
                ways += [lambda: deeds.another_factor_begins(kind, has_proof=pick % 4 != 0, replaces=so)] * 2
        one_of(pick, *ways)

    def the_device_is_lost(self, pick: int, which: int, *, so: bool) -> None:
        """So somebody says, or that it was not so."""
        deeds, request = self.deeds, self.deeds.truth.recovery
        ways: list[Way] = [deeds.lose_device, lambda: deeds.a_notice_is_disputed(which)]
        if request is not None and request.state == "draft":
            ways += [deeds.prove_mailbox] * 4
        if request is not None:
            ways += [lambda: deeds.recovery_is_cancelled(is_attack=so), deeds.recovery_is_denied]
        one_of(pick, *ways)

    def an_admin_acts(self, pick: int, which: int, *, so: bool) -> None:
        """Requires, exempts, unlocks, resets, reads a code out."""
        deeds, truth, asked = self.deeds, self.deeds.truth, self.deeds.truth.asked
        ways: list[Way] = [lambda: deeds.admin_requires(is_required=asked.alone_since is None), deeds.admin_clears]
        if asked.exempt_until is None or asked.exempt_until + DAY < truth.now:
            ways += [deeds.admin_exempts]
        elif truth.now < asked.exempt_until:
            ways += [deeds.admin_ends_exemption]
        if not truth.is_active:
            return
        if truth.decisions() <= HINDERED and not truth.is_sso:
            ways += [lambda: deeds.admin_unlocks(48 if so else 1), deeds.admin_extends]
        ways += [lambda: deeds.admin_sets_up(KINDS[which % 4])]
        if truth.active:
            ways += [deeds.admin_resets, lambda: deeds.admin_makes_a_recovery_code(60)]
        one_of(pick, *ways)

    @invariant()
    def login_is_decided_as_it_must_be(self) -> None:
        """Nobody locked out who has a factor, nobody let in who must have one, and nothing else taken than what counts.

        Nothing but its owner, an admin or an executed recovery takes a factor away.
        """
        truth = self.deeds.truth
        truth.now = self.deeds.desk.now
        login = self.deeds.login()
        assert login["decision"] in truth.decisions(), (login["decision"], login["reason"], truth)
        if truth.active and login["decision"] == "challenge":
            assert {each["factor_id"] for each in login["challenge"]["factors"]} == truth.offered
            assert login["challenge"]["has_backup_codes"] == bool(truth.paper.codes)
            assert login["challenge"]["has_recovery_key"] == (truth.paper.key is not None)

    @invariant()
    def what_ended_stays_ended(self) -> None:
        """A cancelled recovery is never executed."""
        if self.deeds.truth.recoveries:
            seen, request = self.deeds.good("GET", f"{ANN}/recovery"), self.deeds.truth.recoveries[-1]
            assert (seen["id"], seen["state"]) == (request.id, request.state)


def lives_of(product: Product, start: str, salt: int = 0) -> type[Lives]:
    """Lives of this product that begin so; with another salt they are others."""
    return type("TheseLives", (Lives,), {"product": product, "start": start, "salt": salt})


def one_of(pick: int, *ways: Way) -> None:
    """One of what can be done, if anything can."""
    if ways:
        way = ways[pick % len(ways)]
        note(f"  {way.__name__ if way.__name__ != '<lambda>' else way.__code__.co_names}")
        way()
