"""A queue that delivers late, twice and in any order, beside a backend that calls: the newest truth stands."""

import asyncio
import random

import pytest

from services.cli.demo.helpdesk import Json
from shared.ids import new_id
from tests.support.eventually import eventually
from tests.support.owner import Owner
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

LAST = 12


def state(version: int) -> Json:
    """The account as it was at a version."""
    role = ("customer", "agent", "collaborator")[version % 3]
    return {"role": role, "email": f"ann-{version}@acme.example", "email_verified": True, "version": version}


def upserted(version: int) -> Json:
    """The helpdesk's news of it."""
    event = {"specversion": "1.0", "id": str(new_id()), "source": "/helpdesk", "type": "account.upserted"}
    return event | {"subject": "ann", "data": state(version)}


async def test_late_double_and_shuffled_news_leave_the_newest(stack: Stack) -> None:
    """Events in batches, each said three times, beside calls: whoever commits last, is not whoever is right."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        news = [upserted(version) for version in range(1, LAST + 1)] * 2 + [upserted(each) for each in range(1, LAST)]
        random.Random(20_27).shuffle(news)
        batches = [news[start : start + 5] for start in range(0, len(news), 5)]
        await asyncio.gather(
            *(helpdesk.call("POST", "/v1/events", batch, expect=202) for batch in batches),
            *(helpdesk.call("PUT", ann.path, state(version)) for version in (LAST - 1, 3, LAST - 5)),
        )
        await eventually(ann.status, lambda seen: bool(seen["version"] == LAST))
        seen = await helpdesk.call("PUT", ann.path, state(2))
        assert (seen["role"], seen["email"], seen["version"]) == ("customer", "a•••@acme.example", LAST)


async def test_an_older_change_of_password_does_not_shorten_a_wait(stack: Stack) -> None:
    """The reset of Tuesday arrives after that of Wednesday: what waits, waits from Wednesday on."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        app = await ann.enrol()
        token = (await ann.sign_in(app, trust_device=True))["trusted_device"]["token"]
        trusted = {"trusted_device_token": token}
        await ann.tell("password_changed", changed_at="2020-01-01T00:00:00Z")
        await eventually(ann.timeline, lambda seen: "account.password_changed" in {each["type"] for each in seen})
        assert (await helpdesk.login("ann", **trusted))["decision"] == "allow"  # it was given after that
        await ann.tell("password_changed", changed_at=helpdesk.now.isoformat())
        await eventually(lambda: helpdesk.login("ann", **trusted), lambda seen: bool(seen["decision"] == "challenge"))
        await ann.tell("password_changed", changed_at="2020-01-02T00:00:00Z")
        await ann.sign_in(app)
        assert (await helpdesk.login("ann", **trusted))["decision"] == "challenge"
