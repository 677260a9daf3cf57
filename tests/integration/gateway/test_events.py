"""The gateway without the services that decide: events that a helpdesk hands in."""

from services.gateway.api.auth import KeyScope
from shared.contracts.codec import decode
from shared.contracts.commands import PutAccount, RecordPasswordChange, StartLogin
from tests.support.api_client import Client
from tests.support.lone_gateway import fetch, key_with


def event(kind: str, number: int = 1, **data: object) -> dict[str, object]:
    """A CloudEvent of a helpdesk."""
    return {
        "specversion": "1.0",
        "id": f"{kind}-{number}",
        "source": "/acme",
        "type": kind,
        "subject": "ada",
        "time": "2027-01-31T09:30:00Z",
        "data": data,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


async def test_events_become_commands_that_are_stored_before_the_answer(client: Client, dsn: str) -> None:
    """Accepted means durable: a crash right after the 202 loses nothing."""
    given = [
        event("account.upserted", role="agent", email="ada@acme.example"),
        event("account.password_changed"),
        event("account.sso_changed", sso=True),
        event("login.started", first_factor={"method": "password"}),
    ]
    answer = await client.call("POST", "/v1/events", given)
    assert (answer.status, [result["status"] for result in answer.json["results"]]) == (202, ["accepted"] * 4)
    rows = await fetch(
        dsn,
        "SELECT message_id, routing_key, body FROM bus.outbox WHERE tenant_id = $1 ORDER BY message_id",
        client.tenant_id,
    )
    envelopes = [decode(row["body"]) for row in rows]
    assert [type(envelope.data) for envelope in envelopes] == [PutAccount, RecordPasswordChange, PutAccount, StartLogin]
    assert [row["routing_key"] for row in rows] == ["policy.commands"] * 3 + ["otp_worker.commands"]
    assert [str(row["message_id"]) for row in rows] == [result["message_id"] for result in answer.json["results"]]
    assert {envelope.account_id for envelope in envelopes} == {"ada"}
    assert b"ada@acme.example" not in b"".join(row["body"] for row in rows)


async def test_an_event_handed_in_twice_has_one_effect(client: Client, dsn: str) -> None:
    """A helpdesk that saw no answer sends again, in another order and in another array."""
    first = await client.call("POST", "/v1/events", [event("account.password_changed", n) for n in (1, 2, 2)])
    second = await client.call("POST", "/v1/events", [event("account.password_changed", n) for n in (3, 2, 1)])
    assert [result["status"] for result in first.json["results"]] == ["accepted", "accepted", "duplicate"]
    assert [result["status"] for result in second.json["results"]] == ["accepted", "duplicate", "duplicate"]
    assert second.json["results"][2]["message_id"] == first.json["results"][0]["message_id"]
    rows = await fetch(dsn, "SELECT FROM bus.outbox WHERE tenant_id = $1", client.tenant_id)
    assert len(rows) == 3


async def test_one_bad_event_does_not_hold_up_the_others(client: Client) -> None:
    """A result for each: the helpdesk repairs the one and does not send the others again."""
    answer = await client.call(
        "POST",
        "/v1/events",
        [event("account.password_changed"), event("account.exploded"), event("account.sso_changed", sso="perhaps"), 7],
    )
    results = answer.json["results"]
    assert answer.status == 202
    assert [result["status"] for result in results] == ["accepted", "rejected", "rejected", "rejected"]
    assert results[2]["errors"][0]["pointer"] == "/data/sso"
    single = await client.call("POST", "/v1/events", event("account.sso_changed"))
    assert (single.status, single.code) == (422, "validation_failed")


async def test_events_need_the_scope_of_what_they_do(client: Client, dsn: str) -> None:
    """The other way in must not be a way around."""
    writer = await key_with(client, dsn, KeyScope.ACCOUNTS_WRITE)
    answer = await writer.call(
        "POST",
        "/v1/events",
        [
            event("account.email_changed", email="ada@acme.example"),
            event("account.sso_changed", sso=True),
            event("login.started", first_factor={"method": "password"}),
        ],
    )
    assert [result["code"] for result in answer.json["results"]] == [None, "forbidden_scope", "forbidden_scope"]
