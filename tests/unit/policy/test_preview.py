"""What a preview counts, and that it counts by the rule."""

import datetime as dt
from dataclasses import replace

from services.policy.domain.known import Granted
from services.policy.domain.preview import ACCOUNTS_A_DAY, MOST_DAYS, Preview, Previewed
from services.policy.domain.requirement import StoredPolicy, replaced
from shared.contracts.policy import AfterGrace, Policy, Requirement, Scope
from shared.contracts.replies import PolicyPreview
from shared.contracts.types import EnforcementState, Role

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
ALL = Policy(required=Requirement(scope=Scope.ALL), grace_days=7)
NONE = StoredPolicy()
ANN = Previewed(
    account_id="ann", role=Role.AGENT, is_active=True, is_sso=False, is_reachable=True, subject_since=NOW - 90 * DAY
)
ROOT = replace(ANN, account_id="root", role=Role.ADMIN, is_reachable=False)


def preview(*accounts: Previewed, policy: Policy = ALL, before: StoredPolicy = NONE) -> PolicyPreview:
    """Of these accounts."""
    counting = Preview(before, replaced(before, policy, NOW), NOW)
    for account in accounts:
        counting.add(account)
    return counting.result(would_lock_out_admins=False)


def test_a_day_tells_who_is_locked_out_and_whom_that_hits_hardest() -> None:
    """Admins and those whom no notice reaches are what somebody has to know before, not after."""
    seen = preview(ANN, ROOT, replace(ANN, account_id="zoe", held_factors=1))
    assert (seen.totals.accounts, seen.totals.grace, seen.totals.satisfied) == (3, 2, 1)
    [day] = seen.days
    assert day.date == (NOW + 7 * DAY).date()
    assert (day.locked_out, day.must_enrol, day.admins, day.unreachable) == (2, 0, 1, 1)
    ann, root = day.accounts
    assert (ann.account_id, ann.is_admin, ann.is_reachable, ann.at) == ("ann", False, True, NOW + 7 * DAY)
    assert (root.account_id, root.is_admin, root.is_reachable) == ("root", True, False)


def test_nobody_is_asked_for_anything_by_a_policy_that_is_off() -> None:
    """An empty list is an answer."""
    assert preview(ANN, ROOT, policy=Policy()).days == ()


def test_enrolment_at_the_next_login_is_told_apart_from_a_lock() -> None:
    """One costs two minutes, the other a call to somebody."""
    [today] = preview(ANN, policy=ALL.model_copy(update={"grace_days": None})).days
    assert (today.date, today.must_enrol, today.locked_out) == (NOW.date(), 1, 0)
    [later] = preview(ANN, policy=ALL.model_copy(update={"after_grace": AfterGrace.ENROL})).days
    assert (later.date, later.must_enrol) == ((NOW + 7 * DAY).date(), 1)


def test_what_is_granted_to_one_account_moves_its_day() -> None:
    """Exempt until the tenth, and a day's notice after that."""
    exempt = replace(ANN, granted=Granted(exempt_until=NOW + 10 * DAY))
    seen = preview(exempt, replace(ANN, account_id="ben", granted=Granted(extended_until=NOW + 20 * DAY)))
    assert [(day.date, day.locked_out) for day in seen.days] == [
        ((NOW + 11 * DAY).date(), 1),
        ((NOW + 20 * DAY).date(), 1),
    ]
    assert seen.totals.exempt == 1


def test_a_shorter_deadline_is_shown_with_the_day_that_it_leaves() -> None:
    """What saving would do, not what the policy's days alone say; and who is locked out already is told so."""
    long_ago = replaced(StoredPolicy(), ALL.model_copy(update={"grace_days": 30}), NOW - 20 * DAY)
    shorter = preview(ANN, before=long_ago)
    assert [day.date for day in shorter.days] == [(NOW + DAY).date()]
    over = replaced(StoredPolicy(), ALL, NOW - 20 * DAY)
    already = preview(ANN, policy=ALL.model_copy(update={"grace_days": 5}), before=over)
    assert (already.totals.locked_out, already.totals.locked_out_already) == (1, 1)


def test_an_answer_stays_small_however_many_there_are() -> None:
    """Accounts are named up to a number, and counted beyond it; days, too."""
    many = [replace(ANN, account_id=f"a{number:04}") for number in range(ACCOUNTS_A_DAY + 1)]
    [day] = preview(*many).days
    assert (day.locked_out, len(day.accounts), day.has_more_accounts) == (ACCOUNTS_A_DAY + 1, ACCOUNTS_A_DAY, True)
    spread = [
        replace(ANN, account_id=f"a{number:04}", granted=Granted(extended_until=NOW + (8 + number) * DAY))
        for number in range(MOST_DAYS + 1)
    ]
    seen = preview(*spread)
    assert (len(seen.days), seen.has_more_days) == (MOST_DAYS, True)
    assert seen.totals.grace == MOST_DAYS + 1


def test_accounts_that_came_later_are_not_taken_for_those_who_were_there() -> None:
    """Most are alike and worked out once: not the one who joined in the middle of the requirement."""
    before = replaced(StoredPolicy(), ALL, NOW - 3 * DAY)
    newcomer = replace(ANN, account_id="new", subject_since=NOW - DAY)
    days = preview(ANN, newcomer, replace(ANN, account_id="old"), before=before).days
    assert [(day.date, day.locked_out) for day in days] == [((NOW + 4 * DAY).date(), 2), ((NOW + 6 * DAY).date(), 1)]
    assert days[0].accounts[0].state == EnforcementState.LOCKED_OUT
