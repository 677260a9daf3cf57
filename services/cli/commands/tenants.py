"""``deskfactor tenants …`` and ``deskfactor api-keys …``."""
# ruff: noqa: PLC0415 - what a command needs is loaded when it is called, so that --help is quick

import asyncio
import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from services.cli.commands.output import Json, Status, leave, say, say_json, say_table

if TYPE_CHECKING:
    from services.cli.tenants import ListedTenant

tenants = typer.Typer(no_args_is_help=True, help="Tenants: helpdesks that use this Deskfactor.")
api_keys = typer.Typer(no_args_is_help=True, help="The API keys of tenants.")

Tenant = Annotated[UUID, typer.Argument(help="The tenant's id.", show_default=False)]


@tenants.command("create")
def create_tenant(
    name: Annotated[str, typer.Argument(help="As its people see it in mails.", show_default=False)],
    *,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="A movable clock; nothing reaches a provider.")] = False,
    as_json: Json = False,
) -> None:
    """Create a tenant."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    if not 1 <= len(name) <= 120:  # noqa: PLR2004 - as the table has it
        raise typer.BadParameter("a name has 1 to 120 characters")
    tenant_id = asyncio.run(acts.create_tenant(database_url(), name=name, is_sandbox=sandbox))
    if as_json:
        say_json({"tenant_id": tenant_id, "name": name, "is_sandbox": sandbox})
    else:
        say(f"{'Sandbox tenant' if sandbox else 'Tenant'} {name}: {tenant_id}")
        say(f"Next: deskfactor api-keys create {tenant_id}")


@tenants.command("list")
def list_tenants(*, as_json: Json = False) -> None:
    """List all tenants."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    found = asyncio.run(acts.list_tenants(database_url()))
    if as_json:
        say_json([dataclasses.asdict(tenant) for tenant in found])
    else:
        say_table(
            ("id", "name", "kind", "created", "suspended"),
            [
                (tenant.tenant_id, tenant.name, _kind(tenant), tenant.created_at, tenant.suspended_at)
                for tenant in found
            ],
        )


def _kind(tenant: "ListedTenant") -> str:
    return "sandbox" if tenant.is_sandbox else "live"


@tenants.command("suspend")
def suspend_tenant(tenant_id: Tenant, *, as_json: Json = False) -> None:
    """Refuse a tenant's keys from now on; its data stays."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    is_new = asyncio.run(acts.suspend_tenant(database_url(), tenant_id))
    if as_json:
        say_json({"tenant_id": tenant_id, "is_new": is_new})
    else:
        say(f"{tenant_id} is suspended." if is_new else f"{tenant_id} was suspended before.")


@tenants.command("admin-proof")
def switch_admin_proof_off(
    tenant_id: Tenant,
    *,
    off: Annotated[bool, typer.Option("--off", help="The only way it goes here: the tenant itself switches it on.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Let a tenant's admins act without a step-up of their own: when none of them has a second factor left.

    The audit log has the operator and the reason, and every admin is mailed.
    """
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    if not off:
        raise typer.BadParameter("say --off")
    if not 1 <= len(reason) <= 500 or not reason.isprintable():  # noqa: PLR2004 - as everywhere
        raise typer.BadParameter("a reason has 1 to 500 characters on one line")
    is_new = asyncio.run(acts.switch_admin_proof_off(database_url(), tenant_id, reason=reason))
    if as_json:
        say_json({"tenant_id": tenant_id, "admin_proof": "optional", "is_new": is_new})
    else:
        say(f"Admins of {tenant_id} act without a proof." if is_new else f"{tenant_id} asked for none before.")


@tenants.command("resume")
def resume_tenant(tenant_id: Tenant, *, as_json: Json = False) -> None:
    """Take a suspended tenant's keys again."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    is_new = asyncio.run(acts.resume_tenant(database_url(), tenant_id))
    if as_json:
        say_json({"tenant_id": tenant_id, "is_new": is_new})
    else:
        say(f"{tenant_id} is not suspended any more." if is_new else f"{tenant_id} was not suspended.")


@api_keys.command("list")
def list_api_keys(tenant_id: Tenant, *, as_json: Json = False) -> None:
    """List a tenant's keys that are not revoked. The keys themselves nobody can show."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    found = asyncio.run(acts.list_api_keys(database_url(), tenant_id))
    if as_json:
        say_json([dataclasses.asdict(key) for key in found])
    else:
        say_table(
            ("id", "name", "key", "scopes", "created", "expires"),
            [(key.key_id, key.name, key.hint, " ".join(key.scopes), key.created_at, key.expires_at) for key in found],
        )


@api_keys.command("create")
def create_api_key(
    tenant_id: Tenant,
    *,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "backend",
    scope: Annotated[list[str] | None, typer.Option(help="What it may do; again for more. (default: all)")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Until it expires. (default: never)")] = None,
    as_json: Json = False,
) -> None:
    """Create an API key. It is shown this once."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url
    from services.gateway.api.auth import KeyScope
    from shared.clock import host_now

    known = [each.value for each in KeyScope]
    if unknown := sorted(set(scope or ()) - set(known)):
        raise typer.BadParameter(f"{', '.join(unknown)}: no such scope; there are {', '.join(known)}")
    made = asyncio.run(
        acts.make_api_key(
            database_url(),
            tenant_id,
            name=name,
            scopes=[KeyScope(each) for each in scope or known],
            expires_at=host_now() + dt.timedelta(days=days) if days else None,
        )
    )
    if as_json:
        say_json({"key_id": made.key_id, "key": made.key.reveal(), "scopes": made.scopes})
    else:
        say(made.key.reveal())
        typer.echo(f"Key {made.key_id}. Keep it now: nobody can show it again.", err=True)


@api_keys.command("revoke")
def revoke_api_key(
    tenant_id: Tenant,
    key_id: Annotated[UUID, typer.Argument(help="The key's id.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """End an API key; within seconds it is good nowhere."""
    from services.cli import tenants as acts
    from services.cli.settings import database_url

    is_revoked = asyncio.run(acts.revoke_api_key(database_url(), tenant_id, key_id))
    if as_json:
        say_json({"key_id": key_id, "is_revoked": is_revoked})
    else:
        say(f"{key_id} is revoked." if is_revoked else f"{tenant_id} has no such key, or it was revoked before.")
    if not is_revoked:
        leave(Status.FOUND)
