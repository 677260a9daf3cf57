"""Since when a policy covers whom."""

import datetime as dt

from services.policy.domain.requirement import Covered, StoredPolicy, replaced
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.types import Role

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
OFF = Policy()
ALL = Policy(required=Requirement(scope=Scope.ALL))
ADMINS = Policy(required=Requirement(scope=Scope.ROLES, roles=(Role.ADMIN,)))

FIRST = replaced(StoredPolicy(), ALL, NOW)


def test_a_requirement_starts_when_it_is_set() -> None:
    """For every role that it covers."""
    assert FIRST.version == 1
    assert FIRST.requirements == dict.fromkeys(Role, Covered(NOW))
    assert replaced(StoredPolicy(), ADMINS, NOW).requirements == {Role.ADMIN: Covered(NOW)}


def test_another_setting_does_not_restart_it() -> None:
    """More grace days are not a new requirement."""
    again = replaced(FIRST, ALL.model_copy(update={"grace_days": 30}), NOW + DAY)
    assert (again.version, again.requirements) == (2, FIRST.requirements)


def test_off_and_on_within_thirty_days_goes_on() -> None:
    """Half-open: after thirty days it is a new one."""
    off = replaced(FIRST, OFF, NOW + DAY)
    assert off.requirements[Role.AGENT] == Covered(NOW, NOW + DAY)
    assert not off.is_required
    assert replaced(off, ALL, NOW + 31 * DAY - TICK).requirements[Role.AGENT] == Covered(NOW)
    assert replaced(off, ALL, NOW + 31 * DAY).requirements[Role.AGENT] == Covered(NOW + 31 * DAY)


def test_staying_off_keeps_the_first_end() -> None:
    """Saving a policy that is off must not stretch the thirty days."""
    off = replaced(replaced(FIRST, OFF, NOW + DAY), OFF, NOW + 20 * DAY)
    assert off.requirements[Role.AGENT] == Covered(NOW, NOW + DAY)


def test_a_wider_scope_starts_for_the_new_roles_only() -> None:
    """The others have had their notice."""
    wider = replaced(replaced(StoredPolicy(), ADMINS, NOW), ALL, NOW + 100 * DAY)
    assert wider.requirements[Role.ADMIN] == Covered(NOW)
    assert wider.requirements[Role.AGENT] == Covered(NOW + 100 * DAY)
