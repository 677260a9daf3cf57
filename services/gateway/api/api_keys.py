"""A tenant's API keys. Two and more may be good at the same time, so that one can be replaced without a gap."""

import datetime as dt
from uuid import UUID

from services.gateway.api.acting import may_not_act_at_large
from services.gateway.api.announcing import announce, event_of, once
from services.gateway.api.answers import ApiKey, NewApiKey
from services.gateway.api.bodies import ApiKeyBody
from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.cursors import page
from services.gateway.problems import HttpCode, Problem, invalid
from services.gateway.queries.api_keys import KeyRow, insert_key, list_keys, revoke_key
from shared.clock import host_now
from shared.contracts.events import ApiKeyCreated, ApiKeyRevoked
from shared.crypto.api_keys import api_key_digest, api_key_hint, new_api_key
from shared.ids import new_id
from shared.messaging.unit_of_work import UnitOfWork

MAX_KEYS = 50


async def list_all(call: Call[Nothing, Nothing]) -> Outcome:
    """Those that are not revoked."""
    async with call.deps.database.transaction([call.tenant_id]) as conn:
        rows = await list_keys(conn, call.tenant_id)
    return Said(page([_shown(row).model_dump(mode="json") for row in rows]))


async def create(call: Call[ApiKeyBody, Nothing]) -> Outcome:
    """Make a key, shown this once. It gets no scope that the calling key lacks: no key makes itself a stronger one.

    Nor does it live longer than a calling key that expires, unless an admin with a proof stands behind it.
    """
    body = call.body
    if body.expires_at is not None and body.expires_at <= host_now():
        return invalid("/expires_at", "past", "In the future, or left out for a key that does not expire.")
    lacking = [scope for scope in body.scopes if not call.caller.may(scope)]
    if lacking:
        return Problem(code=HttpCode.FORBIDDEN_SCOPE, detail="The calling key lacks a scope that the new one asks for.")

    async def may_not(uow: UnitOfWork) -> Problem | None:
        return await may_not_act_at_large(call, uow, body.acting())

    async def decide(uow: UnitOfWork) -> Outcome:
        acting = body.acting()
        if (problem := await may_not(uow)) is not None:
            return problem
        is_vouched_for = acting is not None and acting.proof is not None
        if not is_vouched_for and outlives(body.expires_at, call.caller.expires_at):
            return invalid("/expires_at", "outlives_key", "Not later than the calling key, or with an `actor_proof`.")
        if len(await list_keys(uow.conn, call.tenant_id)) >= MAX_KEYS:
            return Problem(code=HttpCode.TOO_MANY_KEYS)
        return await _made(call, uow)

    return await once(call, decide, refuses_again=may_not)


def outlives(new: dt.datetime | None, calling: dt.datetime | None) -> bool:
    """Whether a key would be good when the one that makes it is not any more; None: it never expires."""
    return calling is not None and (new is None or calling < new)


async def _made(call: Call[ApiKeyBody, Nothing], uow: UnitOfWork) -> Outcome:
    key, key_id = new_api_key(call.caller.is_sandbox), new_id()
    scopes = tuple(sorted(set(call.body.scopes)))
    row = KeyRow(
        key_id=key_id,
        name=call.body.name,
        hint=api_key_hint(key),
        scopes=scopes,
        created_at=await insert_key(
            uow.conn,
            tenant_id=call.tenant_id,
            key_id=key_id,
            digest=api_key_digest(key.reveal()),
            name=call.body.name,
            hint=api_key_hint(key),
            scopes=scopes,
            expires_at=call.body.expires_at,
        ),
        expires_at=call.body.expires_at,
    )
    made = ApiKeyCreated(key_id=str(key_id), scopes=scopes)
    uow.publish(await event_of(call, uow, made, admin=call.body.actor))
    return Said(NewApiKey(**_shown(row).model_dump(), key=key.reveal()).model_dump(mode="json"))


async def revoke(call: Call[Nothing, Nothing]) -> Outcome:
    """End a key; within five seconds it is good nowhere."""
    key_id: UUID = call.id("key_id")
    async with announce(call) as uow:
        is_revoked = await revoke_key(uow.conn, call.tenant_id, key_id)
        if is_revoked:
            uow.publish(await event_of(call, uow, ApiKeyRevoked(key_id=str(key_id))))
    call.deps.keys.forget(key_id)
    return Said({"id": str(key_id)}) if is_revoked else Problem(code=HttpCode.KEY_NOT_FOUND)


def _shown(row: KeyRow) -> ApiKey:
    return ApiKey(
        id=row.key_id,
        name=row.name,
        hint=row.hint,
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
