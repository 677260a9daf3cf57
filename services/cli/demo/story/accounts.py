"""A tenant of its own, and the accounts of the helpdesk in it."""

from collections.abc import Sequence

from services.cli.demo.telling import Chapter, Step
from services.cli.demo.world import World, expect


async def the_key_names_its_tenant(world: World) -> Sequence[str]:
    tenant = await world.helpdesk.call("GET", "/v1/tenant")
    expect(tenant["id"], str(world.tenant_id), "tenant of the key")
    expect(tenant["is_sandbox"], wanted=True, what="is a sandbox")
    return [f"{tenant['name']}: no message leaves this machine, and its clock can be moved"]


async def accounts_are_known(world: World) -> Sequence[str]:
    for person, role in ((world.ann, "agent"), (world.ben, "agent"), (world.cleo, "customer"), (world.root, "admin")):
        await world.put_account(person, role)
    found = await world.helpdesk.call("GET", "/v1/accounts")
    expect(len(found["data"]), 4, "accounts")
    return [f"{account['account_id']}, {account['role']}, {account['email']}" for account in found["data"]]


CHAPTER = Chapter(
    "A helpdesk",
    (
        Step("It has a sandbox tenant and an API key", the_key_names_its_tenant),
        Step("It tells us its accounts", accounts_are_known),
    ),
)
