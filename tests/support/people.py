"""A tenant of a running stack, its backend and its people."""

import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

from services.cli.demo.helpdesk import Helpdesk
from services.cli.demo.world import Person, World
from services.cli.tenants import create_api_key, create_tenant
from services.cli.verification import verify_tenant
from tests.support.stack import Stack


@contextlib.asynccontextmanager
async def open_world(
    stack: Stack, *, name: str = "Acme Helpdesk", backend: type[Helpdesk] = Helpdesk
) -> AsyncIterator[World]:
    """A fresh sandbox tenant. Its people have addresses and numbers that no other test's late mail goes to."""

    async def verify_audit(tenant_id: UUID) -> int:
        return await verify_tenant(stack.dsn, tenant_id, stack.key_dir)

    tenant_id = await create_tenant(stack.dsn, name=name, is_sandbox=True)
    key = await create_api_key(stack.dsn, tenant_id, name="tests")
    async with backend(stack.url, key, domain=f"{tenant_id.hex[-12:]}.acme.example") as helpdesk:
        yield World(
            tenant_id=tenant_id,
            helpdesk=helpdesk,
            mailbox=stack.mailbox,
            phones=stack.phones,
            verify_audit=verify_audit,
            first_number=200 + tenant_id.int % 160 * 5,
        )


async def enrolled(helpdesk: Helpdesk, account_id: str) -> Person:
    """An agent with an active authenticator; the code of the current step is used up."""
    person = Person(account_id, f"{account_id}@{helpdesk.domain}", "")
    path = f"/v1/accounts/{account_id}"
    body = {"role": "agent", "email": person.email, "email_verified": True}
    await helpdesk.call("PUT", path, body)
    answer = await helpdesk.call("POST", f"{path}/factors", {"type": "totp"}, expect=201)
    person.seed = answer["totp"]["seed"].replace(" ", "")
    confirm = f"{path}/factors/{answer['factor']['id']}/confirm"
    confirmed = await helpdesk.call("POST", confirm, {"code": person.totp(helpdesk.now)})
    person.backup_codes = list(confirmed["backup_codes"])
    return person
