"""A tenant's own access to the broker: announced first, then made.

A crash in between leaves news of an access that is not there; the other way round there would be one that nobody heard
of. The command given again makes what is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.cli.operator import announce, operator_transaction
from services.cli.own_queues import forget_queue, note_queue
from services.cli.rabbitmq_management import (
    Grant,
    Management,
    commands_to_grant,
    commands_to_revoke,
    new_password,
    vhost_of,
)
from services.cli.settings import BrokerSettings
from services.cli.tenants import NoSuchTenant
from services.gateway.queries.tenants import find_tenant
from shared.contracts.envelope import Event
from shared.contracts.events import BrokerAccessGranted, BrokerAccessRevoked
from shared.messaging.rabbitmq import declare, names
from shared.secret import Secret


class QueueNotMade(Exception):
    """The broker has another queue of that name, or does not let us make it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a tenant reaches the broker, and what is left for a person to do there."""

    username: str
    password: Secret[str] | None  # nobody can show it again; None: it stays as it is
    vhost: str
    queue: str
    exchange: str = names.INGRESS_EXCHANGE
    commands: tuple[str, ...] = ()


async def grant_access(settings: BrokerSettings, tenant_id: UUID, *, is_rotated: bool) -> Access:
    """The name, its permissions and the queue, made or completed; a password if it is new or to be rotated.

    Raises `NoSuchTenant`, `ManagementRefused`, `QueueNotMade`, `ConnectionError`.
    """
    grant, management = _grant(settings, tenant_id), _management(settings)
    await _check_tenant(settings, tenant_id)
    is_new = management is None or not await management.is_there(grant)
    password = new_password() if is_new or is_rotated else None
    if password is not None:
        news = BrokerAccessGranted(username=grant.username, is_rotated=is_rotated)
        await _announce(settings, tenant_id, news)
    async with operator_transaction(settings.database_url.get_secret_value(), tenant_id) as conn:
        await note_queue(conn, tenant_id)  # before there is one: told to no queue, an event is lost on nobody
    if wrong := await declare.make_out_queue(_urls(settings), tenant_id):
        raise QueueNotMade(f"{wrong[0].name} could not be made right: {wrong[0].fault.value}")
    if management is None:
        assert password is not None
        return _access(grant, password, commands_to_grant(grant, password, is_new=not is_rotated))
    if password is not None:
        await management.set_password(grant, password)
    await management.permit(grant)
    return _access(grant, password)


async def revoke_access(settings: BrokerSettings, tenant_id: UUID) -> Access:
    """The name is gone, its connections are closed, and its queue is deleted with what was in it.

    Raises `NoSuchTenant`, `ManagementRefused`, `ConnectionError`.
    """
    grant, management = _grant(settings, tenant_id), _management(settings)
    await _check_tenant(settings, tenant_id)
    if management is not None:
        await management.remove(grant)
    await declare.delete_out_queue(_urls(settings), tenant_id)
    async with operator_transaction(settings.database_url.get_secret_value(), tenant_id) as conn:
        await forget_queue(conn, tenant_id)
    await _announce(settings, tenant_id, BrokerAccessRevoked(username=grant.username))
    return _access(grant, None, commands_to_revoke(grant) if management is None else ())


async def _check_tenant(settings: BrokerSettings, tenant_id: UUID) -> None:
    async with operator_transaction(settings.database_url.get_secret_value(), tenant_id) as conn:
        if await find_tenant(conn, tenant_id) is None:
            raise NoSuchTenant(f"there is no tenant {tenant_id}")


async def _announce(settings: BrokerSettings, tenant_id: UUID, event: Event) -> None:
    async with operator_transaction(settings.database_url.get_secret_value(), tenant_id) as conn:
        await announce(conn, tenant_id, event)


def _grant(settings: BrokerSettings, tenant_id: UUID) -> Grant:
    return Grant(tenant_id=tenant_id, vhost=vhost_of(_urls(settings)[0]))


def _management(settings: BrokerSettings) -> Management | None:
    url = settings.rabbitmq_management_url
    return Management(Secret(url.get_secret_value())) if url and url.get_secret_value() else None


def _urls(settings: BrokerSettings) -> list[str]:
    return [url.get_secret_value() for url in settings.amqp_urls]


def _access(grant: Grant, password: Secret[str] | None, commands: Sequence[str] = ()) -> Access:
    return Access(
        username=grant.username,
        password=password,
        vhost=grant.vhost,
        queue=names.out_queue_of(grant.tenant_id),
        commands=tuple(commands),
    )
