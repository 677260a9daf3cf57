"""Tenants on the broker: what they publish takes effect, and nobody reaches anything of anybody else's."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelPreconditionFailed

from services.cli.broker_access import grant_access, revoke_access
from services.cli.settings import BrokerSettings
from services.cli.simulators.mailbox import Mailbox
from services.cli.tenants import create_tenant, suspend_tenant
from services.gateway.app import Serving
from services.gateway.ingress import KEPT_A_MINUTE
from shared.clock import host_now
from shared.contracts.codec import encode
from shared.contracts.commands import StartLogin
from shared.contracts.envelope import begin
from shared.contracts.types import FirstFactor, FirstFactorMethod
from shared.ids import new_id
from shared.messaging.topology import INGRESS_MOST_BYTES
from shared.settings import load_settings
from tests.support.command_line import deskfactor
from tests.support.eventually import eventually
from tests.support.publisher import INGRESS, Json, Publisher, event
from tests.support.rabbitmq import Rabbit
from tests.support.sealed_text import SEALED_TEXT
from tests.support.whole import whole

PASSWORD = {"method": "password"}
EVENTS = "deskfactor.events"
LANE = "gateway.ingress"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, rabbit_prefix: Path | None) -> Iterator[Rabbit]:
    """A broker with its management API."""
    with Rabbit(tmp_path_factory.mktemp("managed"), prefix=rabbit_prefix, management=True) as started:
        yield started


@pytest.fixture(scope="module")
async def serving(dsn: str, key_dir: Path, broker: Rabbit) -> AsyncIterator[Serving]:
    """All services over that broker."""
    async with whole(dsn, key_dir, Mailbox(), amqp_url=broker.url()) as running:
        yield running


@pytest.fixture
async def superuser(dsn: str) -> AsyncIterator[Any]:
    """A connection that sees everything."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def settings(serving: Serving, dsn: str, broker: Rabbit) -> dict[str, str]:
    """Of the operator's command."""
    return {
        "database_url": dsn,
        "bus": "rabbitmq",
        "amqp_urls": broker.url(),
        "rabbitmq_management_url": broker.management_url,
    }


@pytest.fixture
async def new_publisher(
    settings: dict[str, str], dsn: str, broker: Rabbit
) -> AsyncIterator[Callable[[], Awaitable[Publisher]]]:
    """Makes a tenant and signs it in to the broker."""
    async with contextlib.AsyncExitStack() as exits:

        async def make() -> Publisher:
            tenant_id = await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=True)
            access = await grant_access(load_settings(BrokerSettings, **settings), tenant_id, is_rotated=False)
            assert access.password is not None
            signed_in = {"username": access.username, "password": access.password.reveal(), "queue": access.queue}
            return await exits.enter_async_context(Publisher.sign_in(broker.url(), signed_in))

        yield make


@pytest.fixture
async def acme(new_publisher: Callable[[], Awaitable[Publisher]]) -> Publisher:
    """A tenant."""
    return await new_publisher()


@pytest.fixture
async def other(new_publisher: Callable[[], Awaitable[Publisher]]) -> Publisher:
    """Another tenant."""
    return await new_publisher()


def _is(kind: str) -> Callable[[Json], bool]:
    return lambda seen: bool(seen["type"] == kind)


async def _letters(superuser: Any, tenant_id: UUID | None, count: int) -> list[Any]:
    async def look() -> list[Any]:
        return list(
            await superuser.fetch(
                """
                SELECT message_id, message_type, reason, attempts, body
                  FROM bus.dead_letters WHERE lane = $1 AND tenant_id IS NOT DISTINCT FROM $2 ORDER BY parked_at
                """,
                LANE,
                tenant_id,
            )
        )

    return await eventually(look, lambda letters: len(letters) >= count)


async def test_a_login_is_published_and_its_answer_read(acme: Publisher) -> None:
    """The whole way without HTTP; the answer names the helpdesk's own event, the only id that it knows."""
    await acme.publish(event("account.upserted", role="agent", email="ann@acme.example", email_verified=True))
    await acme.read_until(_is("account.upserted"))
    started = event("login.started", first_factor=PASSWORD)
    await acme.publish(started, key="login.started")
    decided = (await acme.read_until(_is("login.decided")))[-1]
    assert (decided["causationid"], decided["correlationid"]) == (started["id"], started["id"])
    assert (decided["tenantid"], decided["subject"]) == (str(acme.tenant_id), "ann")
    assert decided["data"]["decision"] == "allow"

    named = event("login.started", first_factor=PASSWORD, event_id="login-17")
    await acme.publish(named)
    again = (await acme.read_until(_is("login.decided")))[-1]
    assert again["causationid"] == str(uuid5(acme.tenant_id, "/helpdesk login-17"))


async def test_every_event_of_a_helpdesk_is_taken(acme: Publisher) -> None:
    """What it may hand in over HTTP it may publish; and what comes out holds no address."""
    await acme.publish(event("account.upserted", role="agent", email="ann@acme.example", email_verified=True))
    await acme.read_until(_is("account.upserted"))
    await acme.publish(event("account.password_changed", changed_at="2026-01-31T09:29:58Z"))
    await acme.publish(event("account.email_changed", email="ann@new.example"))
    await acme.publish(event("account.sso_changed", sso=True))
    wanted = {("account.password_changed", None), ("account.upserted", "email"), ("account.upserted", "is_sso")}

    def is_it(seen: Json) -> bool:
        for field in seen["data"].get("changed") or [None]:
            wanted.discard((seen["type"], field))
        return not wanted

    assert "@" not in json.dumps(await acme.read_until(is_it))


async def test_the_same_event_twice_takes_effect_once(acme: Publisher) -> None:
    """A publisher whose confirm got lost publishes again."""
    once = event("account.upserted", "ann", role="agent")
    for _ in range(3):
        await acme.publish(once)
    await acme.publish(event("account.upserted", "last", role="agent"))
    seen = await acme.read_until(lambda each: each.get("subject") == "last")
    assert [each["subject"] for each in seen if each["type"] == "account.upserted"].count("ann") == 1


def _at(version: int) -> Json:
    """Ann as she was at a version: every third one an agent."""
    role = ("agent", "customer", "collaborator")[version % 3]
    return event("account.upserted", role=role, email=f"ann-{version}@acme.example", sso=False, version=version)


async def _published(acme: Publisher, superuser: Any, *events: Json) -> None:
    """Publish them all at once, and wait until each has taken its effect, if any."""
    await asyncio.gather(*(acme.publish(each) for each in events))
    wanted = {str(each["id"]) for each in events}

    async def handled() -> set[str]:
        """The events whose commands are done."""
        rows = await superuser.fetch(
            """
            SELECT convert_from(body, 'UTF8')::jsonb ->> 'correlationid' AS event_id FROM bus.outbox AS o
             WHERE tenant_id = $1 AND exchange = 'deskfactor.commands' AND routing_key = 'policy.commands'
               AND EXISTS (SELECT FROM bus.inbox AS i WHERE i.message_id = o.message_id)
            """,
            acme.tenant_id,
        )
        return {row["event_id"] for row in rows}

    await eventually(handled, lambda found: wanted <= found)


async def _account(superuser: Any, tenant_id: UUID) -> tuple[Any, ...] | None:
    row = await superuser.fetchrow(
        "SELECT role, version, email_masked, is_sso FROM policy.accounts WHERE tenant_id = $1", tenant_id
    )
    return tuple(row) if row else None


async def test_news_late_twice_and_in_any_order_leave_the_newest(acme: Publisher, superuser: Any) -> None:
    """Queues deliver as they like: the highest version stands, whatever comes when."""
    said = [_at(version) for version in range(1, 13)]
    news = [*said, *said, *(_at(version) for version in range(1, 12))]
    random.Random(20_27).shuffle(news)
    await _published(acme, superuser, *news)
    newest = ("agent", 12, "a•••@acme.example", False)
    assert await _account(superuser, acme.tenant_id) == newest
    await _published(acme, superuser, _at(11), event("account.sso_changed", sso=True, version=5))
    assert await _account(superuser, acme.tenant_id) == newest
    await _published(acme, superuser, event("account.sso_changed", sso=True, version=13))
    assert await _account(superuser, acme.tenant_id) == ("agent", 13, "a•••@acme.example", True)

    await _published(acme, superuser, event("account.deleted", version=14))
    await _published(acme, superuser, _at(13), event("account.email_changed", email="x@acme.example", version=12))
    assert await _account(superuser, acme.tenant_id) is None
    await _published(acme, superuser, _at(15), event("account.deleted", version=14))
    assert await _account(superuser, acme.tenant_id) == ("agent", 15, "a•••@acme.example", False)


async def test_events_of_one_tenant_go_to_its_own_queue_only(acme: Publisher, other: Publisher) -> None:
    """What happens at one helpdesk is no other's business."""
    await other.publish(event("account.upserted", "theirs", role="agent"))
    await other.read_until(lambda each: each.get("subject") == "theirs")
    await acme.publish(event("account.upserted", "ours", role="agent"))
    seen = await acme.read_until(lambda each: each.get("subject") == "ours")
    assert {each["tenantid"] for each in seen} == {str(acme.tenant_id)}


async def test_the_broker_refuses_another_name_in_a_message(acme: Publisher, other: Publisher) -> None:
    """Whose it is, is what the broker checked: the whole of the separation rests on this."""
    with pytest.raises(ChannelPreconditionFailed):
        await acme.publish(event("account.upserted", role="agent"), user_id=other.username)
    with pytest.raises(ChannelPreconditionFailed):
        await acme.publish(event("account.upserted", role="agent"), user_id="app")


async def test_what_a_tenant_may_not_is_refused_by_the_broker(acme: Publisher, other: Publisher) -> None:
    """Everything that would reach another tenant, or the services behind the gateway."""
    foreign = [other.queue, "gateway.ingress.v1", "gateway.ingress.dead.v1", "otp_worker.logins.v1", "audit.events.v1"]
    exchanges = (EVENTS, "deskfactor.commands", "deskfactor.dead", "deskfactor.retry.5s", "amq.topic", "amq.direct", "")
    attempts: dict[str, Callable[[AbstractChannel], Awaitable[object]]] = {
        **{f"publish {name}": partial(_publish, exchange=name, key="otp_worker.logins") for name in exchanges},
        "publish into a queue": partial(_publish, exchange="", key=other.queue),
        **{f"take {name}": partial(_take, queue=name) for name in foreign},
        **{f"consume {name}": partial(_consume, queue=name) for name in foreign},
        **{f"purge {name}": partial(_purge, queue=name) for name in foreign},
        **{f"delete {name}": partial(_delete, queue=name) for name in [*foreign, acme.queue]},
        **{f"bind {name}": partial(_bind, queue=acme.queue, exchange=name) for name in (EVENTS, INGRESS, "amq.topic")},
        "bind the ingress": partial(_bind_exchange, destination=INGRESS, source=EVENTS),
        "bind the events": partial(_bind_exchange, destination=EVENTS, source=INGRESS),
        "declare a queue": lambda channel: channel.declare_queue("mine", durable=True),
        "declare one for itself": lambda channel: channel.declare_queue("", exclusive=True),
        "declare one beside": lambda channel: channel.declare_queue(f"{acme.queue}.more", durable=True),
        "declare an exchange": lambda channel: channel.declare_exchange("mine", "fanout"),
        "declare the ingress": lambda channel: channel.declare_exchange(INGRESS, "topic", durable=True),
    }
    assert [name for name, attempt in attempts.items() if not await _is_refused(acme, attempt)] == []


async def _is_refused(publisher: Publisher, attempt: Callable[[AbstractChannel], Awaitable[object]]) -> bool:
    async with publisher.channel() as channel, asyncio.timeout(30):
        try:
            await attempt(channel)
        except ChannelAccessRefused:
            return True
    return False


async def _publish(channel: AbstractChannel, *, exchange: str, key: str) -> None:
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await target.publish(Message(b"{}"), key)


async def _take(channel: AbstractChannel, *, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(timeout=5)


async def _consume(channel: AbstractChannel, *, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).consume(_ignore)


async def _purge(channel: AbstractChannel, *, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).purge()


async def _delete(channel: AbstractChannel, *, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).delete(if_unused=False, if_empty=False)


async def _bind(channel: AbstractChannel, *, queue: str, exchange: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind(exchange, "#")


async def _bind_exchange(channel: AbstractChannel, *, destination: str, source: str) -> None:
    await (await channel.get_exchange(destination, ensure=False)).bind(source, "#")


async def _ignore(_message: object) -> None:
    pass


async def test_a_message_without_a_name_is_set_aside(acme: Publisher, superuser: Any) -> None:
    """The broker checks `user_id` where it is given; where it is not, nobody has said whose the message is."""
    claimed = {"x-df-tenant": str(acme.tenant_id), "x-df-dead-reason": "x" * 500, "x-df-attempt": 99}
    before = len(await _letters(superuser, None, 0))
    await acme.publish(event("account.upserted", "nobodys", role="agent"), user_id=None, headers=claimed)
    letter = (await _letters(superuser, None, before + 1))[-1]
    assert (letter["reason"], letter["attempts"]) == ("publisher_unknown", 0)
    await acme.publish(event("account.upserted", "ours", role="agent"))
    seen = await acme.read_until(lambda each: each.get("subject") == "ours")
    assert "nobodys" not in {each.get("subject") for each in seen}


async def test_what_is_no_event_is_set_aside_sealed_and_the_next_one_is_taken(acme: Publisher, superuser: Any) -> None:
    """One broken backend must neither stop the lane nor leave addresses in clear where an operator looks."""
    wrong: list[tuple[Json | bytes, str]] = [
        (b"\xff\xfe", "malformed_json"),
        (b"", "malformed_json"),
        (b"[" * 60_000, "malformed_json"),
        (b'"' + b"x" * INGRESS_MOST_BYTES + b'"', "body_too_large"),
        (b"v1.k9.c2VjcmV0", "key_missing"),
        (b"[]", "validation_failed /type type_unknown"),
        (event("account.reset", reason="x"), "validation_failed /type type_unknown"),
        (event("verify_code", code="123456"), "validation_failed /type type_unknown"),
        (event("account.upserted", role="emperor", email="ann@acme.example"), "validation_failed /data/role enum"),
        (event("account.upserted", email="ann at acme"), "validation_failed /data/email email_invalid"),
        (event("login.started", first_factor=PASSWORD, trusted_device_token="x"), "validation_failed"),
    ]
    for body, _ in wrong:
        await acme.publish(body, headers={"x-df-tenant": str(new_id()), "x-df-first-seen": "0001-01-01T00:00:00+23:59"})
    letters = await _letters(superuser, acme.tenant_id, len(wrong))
    assert sorted(letter["reason"].split()[0] for letter in letters) == sorted(reason.split()[0] for _, reason in wrong)
    assert {reason for _, reason in wrong if len(reason.split()) > 1} <= {letter["reason"] for letter in letters}
    assert all(SEALED_TEXT.fullmatch(letter["body"].decode()) for letter in letters)
    await acme.publish(event("account.upserted", "good", role="agent"))
    await acme.read_until(lambda each: each.get("subject") == "good")


async def test_a_message_of_ours_that_a_tenant_forges_is_none(
    acme: Publisher, other: Publisher, superuser: Any
) -> None:
    """A command in our own words, for another tenant, must not become one, nor a letter that a replay sends there."""
    forged = begin(
        StartLogin(first_factor=FirstFactor(method=FirstFactorMethod.PASSWORD)),
        tenant_id=other.tenant_id,
        account_id="ann",
        actor="api_key:1",
        source="/gateway",
        at=host_now(),
    )
    await acme.publish(encode(forged), message_id=str(forged.id), headers={"x-df-tenant": str(other.tenant_id)})
    letter = (await _letters(superuser, acme.tenant_id, 1))[0]
    assert (letter["message_type"], letter["message_id"] == forged.id) == (None, False)
    assert await _letters(superuser, other.tenant_id, 0) == []


async def test_a_letter_is_replayed_as_its_own_tenants(
    acme: Publisher, superuser: Any, dsn: str, settings: dict[str, str]
) -> None:
    """What was refused for a fault of ours is not lost: replayed, it is opened, judged anew and answered."""
    await superuser.execute("UPDATE gateway.tenants SET suspended_at = now() WHERE tenant_id = $1", acme.tenant_id)
    await acme.publish(event("account.upserted", "late", role="agent"))
    letter = (await _letters(superuser, acme.tenant_id, 1))[0]
    assert letter["reason"] == "tenant_suspended"
    await superuser.execute("UPDATE gateway.tenants SET suspended_at = NULL WHERE tenant_id = $1", acme.tenant_id)
    replayed = await deskfactor("dead", "replay", LANE, str(letter["message_id"]), database_url=dsn)
    assert replayed.status == 0, replayed.err
    await acme.read_until(lambda each: each.get("subject") == "late")


async def test_noise_is_kept_up_to_a_limit(acme: Publisher, superuser: Any) -> None:
    """A tenant must not fill our database with what it knows to be refused."""
    for _ in range(KEPT_A_MINUTE + 20):
        await acme.publish(b"noise " + new_id().bytes)
    await acme.publish(event("account.upserted", "after", role="agent"))
    await acme.read_until(lambda each: each.get("subject") == "after")
    assert len(await _letters(superuser, acme.tenant_id, KEPT_A_MINUTE)) <= 2 * KEPT_A_MINUTE


async def test_rotating_and_removing_take_effect_at_once(
    acme: Publisher, broker: Rabbit, settings: dict[str, str], superuser: Any
) -> None:
    """A password that leaked is changed in one command, and who has left is out, connections and all."""
    words = ("tenants", "broker-user", str(acme.tenant_id), "--json")
    assert (await deskfactor(*words, **settings)).json()["password"] == ""  # it has one
    renewed = (await deskfactor(*words, "--rotate", **settings)).json()
    with pytest.raises(AMQPError):
        async with Publisher.sign_in(broker.url(), renewed | {"password": "the old one"}):
            pass
    async with Publisher.sign_in(broker.url(), renewed) as again:
        await again.publish(event("account.upserted", "rotated", role="agent"))
        await again.read_until(lambda each: each.get("subject") == "rotated")

    removed = await deskfactor(*words, "--remove", **settings)
    assert removed.status == 0, removed.err
    await revoke_access(load_settings(BrokerSettings, **settings), acme.tenant_id)  # again is harmless
    await eventually(partial(_connections, broker), lambda names: acme.username not in names)
    with pytest.raises(AMQPError):
        async with Publisher.sign_in(broker.url(), renewed):
            pass
    assert acme.queue not in broker.ctl("list_queues", "name")
    said = await superuser.fetch(
        "SELECT routing_key FROM bus.outbox WHERE tenant_id = $1 AND routing_key LIKE 'broker_access.%' "
        "ORDER BY message_id",
        acme.tenant_id,
    )
    assert [row["routing_key"].partition(".")[2] for row in said][:3] == ["granted", "granted", "revoked"]


async def _connections(broker: Rabbit) -> str:
    return await asyncio.to_thread(broker.ctl, "list_connections", "user")


async def test_without_the_management_api_the_commands_are_printed_and_work(
    broker: Rabbit, settings: dict[str, str], dsn: str
) -> None:
    """In production the plug-in may be off, and the operator no administrator of the broker."""
    tenant_id = await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=True)
    words = ("tenants", "broker-user", str(tenant_id), "--json")
    without = settings | {"rabbitmq_management_url": ""}
    access: Json = {}
    for more in ((), ("--rotate",)):
        access = (await deskfactor(*words, *more, **without)).json()
        for command in access["commands"]:
            broker.type(command)
        async with Publisher.sign_in(broker.url(), access) as publisher:
            await publisher.publish(event("account.upserted", *more, role="agent"))
            await publisher.read_until(_is("account.upserted"))
            with pytest.raises(ChannelAccessRefused):
                await publisher.publish(b"{}", exchange=EVENTS)
    for command in (await deskfactor(*words, "--remove", **without)).json()["commands"]:
        broker.type(command)
    with pytest.raises(AMQPError):
        async with Publisher.sign_in(broker.url(), access):
            pass


async def test_over_the_postgres_lanes_it_says_what_it_needs(dsn: str) -> None:
    """A command that does nothing without a word would be looked into for an hour."""
    tenant_id = await create_tenant(dsn, name="Acme Helpdesk", is_sandbox=True)
    refused = await deskfactor("tenants", "broker-user", str(tenant_id), database_url=dsn)
    assert refused.status == 2
    assert "RabbitMQ only" in refused.err
    assert "POST /v1/events" in refused.err


async def test_an_unknown_tenant_gets_nothing(settings: dict[str, str], broker: Rabbit) -> None:
    """A slip in the id must not leave a name at the broker that belongs to nobody."""
    tenant_id = new_id()
    refused = await deskfactor("tenants", "broker-user", str(tenant_id), **settings)
    assert refused.status == 2
    assert str(tenant_id) not in broker.ctl("list_users")


async def test_a_suspended_tenant_is_set_aside(acme: Publisher, superuser: Any, dsn: str) -> None:
    """Its keys are refused at the door; its name at the broker must not be a way around it."""
    await suspend_tenant(dsn, acme.tenant_id)
    await acme.publish(event("login.started", first_factor=PASSWORD))
    assert [letter["reason"] for letter in await _letters(superuser, acme.tenant_id, 1)] == ["tenant_suspended"]
