"""Random lives of an account, through HTTP; after every step the product and the model must agree."""

import datetime as dt
from collections.abc import Callable

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.acceptance.properties.deeds import HOUR, Deeds
from tests.acceptance.properties.hand import ANN
from tests.acceptance.properties.model import DAY, MINUTE, POLICIES, Policy
from tests.support.in_one_thread import Product

Way = Callable[[], None]

LEAPS = (MINUTE, 16 * MINUTE, HOUR, 13 * HOUR, 25 * HOUR, 25 * HOUR, 49 * HOUR, 4 * DAY, 8 * DAY, 31 * DAY)
STARTS = ("made", "overdue", "enrolled", "enrolled twice", "without again", "waiting", "stopped")
PICK = st.integers(min_value=0, max_value=59)
SO = st.booleans()


class Lives(RuleBasedStateMachine):
    """Ann lives; Root is the admin. `product` and `start` are set on a subclass.

    Few rules, each of which does one of what can be done now: a rule of its own for each deed would leave most lives
    without most deeds.
    """

    product: Product
    start: str

    def __init__(self) -> None:
        super().__init__()
        self.deeds = Deeds(self.product)

    def teardown(self) -> None:
        """The backend's connections."""
        self.deeds.close()

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: Policy) -> None:
        """So far she has come."""
        self.deeds.begin(self.start, policy)

    @rule(by=st.sampled_from(LEAPS))
    def time_passes(self, by: dt.timedelta) -> None:
        """Forward, as it does."""
        self.deeds.leap(by)

    @rule(pick=PICK, policy=st.sampled_from(POLICIES))
    def the_helpdesk_says(self, pick: int, policy: Policy) -> None:
        """News of the account, or another policy."""
        deeds = self.deeds
        role = "customer" if deeds.truth.role == "agent" else "agent"
        one_of(
            pick,
            lambda: deeds.change_policy(policy),
            deeds.password_changes,
            deeds.address_changes,
            lambda: deeds.role_changes(role),
            deeds.sso_changes,
        )

    @rule(pick=PICK, which=PICK, so=SO)
    def somebody_types(self, pick: int, which: int, *, so: bool) -> None:
        """Its owner, or who has the password and looked over a shoulder."""
        deeds, truth = self.deeds, self.deeds.truth
        ways: list[Way] = []
        if truth.active:
            ways += [
                lambda: deeds.signs_in(which, trusts=so),
                lambda: deeds.signs_in_twice_in_a_minute(which),
                lambda: deeds.guesses(1 + which % 6),
            ]
            ways += [lambda: deeds.replays_a_code(which)] if truth.accepted else []
            ways += [lambda: deeds.signs_in_with_a_backup_code(which, trusts=so)] if truth.codes else []
            ways += [lambda: deeds.replays_a_backup_code(which)] if truth.used_codes else []
        if truth.tokens:
            ways += [lambda: deeds.a_trusted_browser_signs_in(which)]
        one_of(pick, *ways)

    @rule(pick=PICK, which=PICK, so=SO)
    def factors_change(self, pick: int, which: int, *, so: bool) -> None:
        """Begun, confirmed, removed."""
        deeds, truth = self.deeds, self.deeds.truth
        ways: list[Way] = []
        if truth.pending is not None:
            ways += [lambda: deeds.enrolment_is_confirmed(is_right=which % 4 != 0)] * 2
        elif not truth.active:
            ways += [deeds.first_factor_begins]
        if truth.active:
            ways += [lambda: deeds.factor_is_removed(which)]
            if len(truth.active) < 4:
                ways += [lambda: deeds.another_factor_begins(has_proof=which % 4 != 0, replaces=so)]
        one_of(pick, *ways)

    @rule(pick=PICK, so=SO)
    def the_device_is_lost(self, pick: int, *, so: bool) -> None:
        """So somebody says."""
        deeds, request = self.deeds, self.deeds.truth.recovery
        ways: list[Way] = [deeds.lose_device]
        if request is not None and request.state == "draft":
            ways += [deeds.prove_mailbox] * 3
        if request is not None:
            ways += [lambda: deeds.recovery_is_cancelled(is_attack=so)]
        one_of(pick, *ways)

    @rule(pick=PICK, which=PICK, so=SO)
    def an_admin_acts(self, pick: int, which: int, *, so: bool) -> None:
        """Requires, exempts, unlocks, resets, reads a code out."""
        deeds, truth = self.deeds, self.deeds.truth
        ways: list[Way] = [lambda: deeds.admin_requires(is_required=truth.alone_since is None)]
        if truth.exempt_until is None or truth.exempt_until + DAY < truth.now:
            ways += [deeds.admin_exempts]
        if truth.decisions() <= {"enrol_optional", "enrol", "locked_out"} and not truth.is_sso:
            ways += [lambda: deeds.admin_unlocks(48 if so else 1)]
        if truth.active:
            ways += [deeds.admin_resets, lambda: deeds.admin_makes_a_recovery_code(60, waits=which % 2 == 0, trusts=so)]
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
            assert {each["factor_id"] for each in login["challenge"]["factors"]} == set(truth.active)

    @invariant()
    def what_ended_stays_ended(self) -> None:
        """A cancelled recovery is never executed."""
        if self.deeds.truth.recoveries:
            seen, request = self.deeds.good("GET", f"{ANN}/recovery"), self.deeds.truth.recoveries[-1]
            assert (seen["id"], seen["state"]) == (request.id, request.state)


def lives_of(product: Product, start: str) -> type[Lives]:
    """Lives of this product that begin so."""
    return type("TheseLives", (Lives,), {"product": product, "start": start})


def one_of(pick: int, *ways: Way) -> None:
    """One of what can be done, if anything can."""
    if ways:
        way = ways[pick % len(ways)]
        note(f"  {way.__name__ if way.__name__ != '<lambda>' else way.__code__.co_names}")
        way()
