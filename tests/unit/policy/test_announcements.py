"""The numbers that notices say."""

import datetime as dt

import pytest

from services.policy.announcements import start_notices
from shared.contracts.types import Contact
from shared.ids import new_id
from shared.rules.notices import addressee

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
ANN = addressee(
    emails=[Contact(sealed="v1.k1.x", masked="a•••@example.com", digest="a")],
    phones=[],
    language="en",
    time_zone="UTC",
    tenant_name="Acme",
    tenant_colour=None,
)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (7 * DAY, 7),
        (7 * DAY - dt.timedelta(minutes=3), 7),
        (20 * DAY - 8 * HOUR, 20),
        (2 * DAY + 3 * HOUR, 2),
        (11 * HOUR, 0),
        (-HOUR, 0),
    ],
)
def test_the_days_until_the_deadline_are_the_nearest(left: dt.timedelta, said: int) -> None:
    """Seven days of grace were announced as six, because the notice is written some seconds after they begin."""
    [notice] = start_notices(ANN, NOW + left, NOW, new_id)
    assert notice.params["days"] == said
