"""A person asks what is known of them."""

import json

import pytest

from services.cli.demo.helpdesk import Helpdesk
from tests.support.backend import happened
from tests.support.eventually import eventually
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

PHONE = "+447700900123"


class Reader(Helpdesk):
    """A backend that takes files."""

    async def file(self, path: str) -> str:
        """The text of a file."""
        assert self._session is not None
        async with self._session.get(path) as response:
            assert response.status == 200
            return await response.text()


async def test_the_copy_holds_what_is_known_and_no_secret(stack: Stack) -> None:
    """Art. 15 GDPR: addresses in clear, for they are the person's own; nothing that opens a door."""
    async with open_world(stack, backend=Reader) as world:
        reader = world.helpdesk
        assert isinstance(reader, Reader)
        ann = await enrolled(reader, "ann")
        await enrolled(reader, "bob")
        await reader.call("PUT", "/v1/accounts/ann", {"phone": PHONE})
        for number in range(60):
            locale = "de" if number % 2 else "en"
            await reader.call("PUT", "/v1/accounts/ann", {"locale": locale})
        text = await eventually(
            lambda: reader.file("/v1/accounts/ann/export"),
            lambda found: found.count('"account.upserted"') > 60 and json.loads(found)["deliveries"] != [],
        )
        copy = json.loads(text)
        assert (copy["email"], copy["phone"], copy["former_email"]) == (ann.email, PHONE, None)
        assert copy["account"]["account_id"] == "ann"
        assert [factor["type"] for factor in copy["security"]["factors"]] == ["totp"]
        assert copy["recovery_requests"] == []
        assert {entry["account_id"] for entry in copy["audit_entries"]} == {"ann"}
        assert [entry["seq"] for entry in copy["audit_entries"]] == sorted({e["seq"] for e in copy["audit_entries"]})
        assert {delivery["destination"] for delivery in copy["deliveries"]} <= {ann.email, PHONE}
        for secret in (ann.seed, *ann.backup_codes, "bob"):
            assert secret not in text
        await reader.refused("GET", "/v1/accounts/nobody/export", None, "account_not_found")


async def test_who_took_a_copy_is_in_the_persons_timeline(stack: Stack) -> None:
    """Addresses leave in clear: each copy can be answered for, by the key that took it."""
    async with open_world(stack, backend=Reader) as world:
        reader = world.helpdesk
        assert isinstance(reader, Reader)
        await enrolled(reader, "ann")
        await reader.file("/v1/accounts/ann/export")
        await reader.file("/v1/accounts/ann/export")
        taken = await happened(reader, "ann", "account.exported", times=2)
        assert {each["summary"] for each in taken} == {"A copy of what is known of the person was taken."}
        keys = await reader.call("GET", "/v1/api-keys")
        assert {each["actor"] for each in taken} <= {f"api_key:{key['id']}" for key in keys["data"]}
