"""Where events go is an admin's word: on a proof, where the tenant asks for it."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from shared.contracts.commands import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    ReadWebhookEndpoints,
    Request,
    RotateWebhookSecret,
)
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Acting, EndpointId, RequestKey
from shared.crypto.sealing import seal, webhook_place
from shared.ids import new_id
from shared.secret import Secret
from tests.handlers.notifier.conftest import Desk
from tests.support.admin_proofs import ask_for_proofs, make_admin, step_up

BOB = "bob"
ADDRESS = "https://desk.acme.example/deskfactor"


def creation(desk: Desk, acting: Acting | None = None) -> CreateWebhookEndpoint:
    """As the gateway asks for it."""
    endpoint_id = EndpointId(new_id())
    url = seal(desk.deps.seal, Secret(ADDRESS), webhook_place(desk.tenant_id, endpoint_id, "url"))
    return CreateWebhookEndpoint(endpoint_id=endpoint_id, url=url, acting=acting)


def changing(desk: Desk, endpoint_id: UUID, acting: Acting | None) -> Sequence[Request]:
    """All by which a tenant's events come to be heard elsewhere, or not at all, or could be forged."""
    endpoint = EndpointId(endpoint_id)
    return [
        creation(desk, acting),
        ChangeWebhookEndpoint(endpoint_id=endpoint, enabled=False, acting=acting),
        RotateWebhookSecret(endpoint_id=endpoint, acting=acting),
        DeleteWebhookEndpoint(endpoint_id=endpoint, acting=acting),
    ]


async def test_where_events_go_is_changed_on_an_admins_proof_only(desk: Desk) -> None:
    """A stolen key would send itself all that happens, silence the alarm, or learn what signs a forged one."""
    made = await desk.ask(creation(desk))
    conn = await asyncpg.connect(desk.dsn)
    try:
        await ask_for_proofs(conn, desk.tenant_id)
        await make_admin(conn, desk.tenant_id, BOB)
        proof = await step_up(conn, desk.tenant_id, BOB)
    finally:
        await conn.close()
    for acting in (None, Acting(actor=BOB), Acting(actor=BOB, proof=made["id"])):
        for request in changing(desk, UUID(made["id"]), acting):
            assert await desk.refused(request) is RefusalCode.ACTOR_PROOF_REQUIRED
    [unchanged] = (await desk.ask(ReadWebhookEndpoints()))["endpoints"]
    assert unchanged["enabled"]
    for request in changing(desk, UUID(made["id"]), Acting(actor=BOB, proof=proof)):
        await desk.ask(request)


async def test_a_secret_is_shown_again_only_to_who_may_still_ask_for_it(desk: Desk) -> None:
    """The same request within ten minutes gets the same answer, unless its admin is none any more."""
    conn = await asyncpg.connect(desk.dsn)
    try:
        await make_admin(conn, desk.tenant_id, BOB)
        key = RequestKey(scope="POST /v1/webhook-endpoints", key=str(new_id()), fingerprint="same")
        asked = creation(desk, Acting(actor=BOB)).model_copy(update={"request": key})
        made = await desk.ask(asked)
        assert await desk.ask(asked) == made
        await conn.execute("UPDATE policy.accounts SET role = 'agent' WHERE tenant_id = $1", desk.tenant_id)
        assert await desk.refused(asked) is RefusalCode.ACTOR_NOT_AN_ADMIN
    finally:
        await conn.close()
