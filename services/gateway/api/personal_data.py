"""The copy of what is known of a person (GDPR, Art. 15): one JSON document, its audit entries read page by page."""

import asyncio
import json
from collections.abc import AsyncIterator

from services.gateway.api.call import Call, Nothing, Outcome, Said
from services.gateway.api.parsing import JSON
from services.gateway.downloads import Streamed
from services.gateway.exports import Extract, Pages, pages_of
from services.gateway.problems import Problem
from shared.contracts.commands import ReadDeliveriesOfAccount, ReadPersonalData, ReadSecurity
from shared.contracts.replies import PersonalData, SentDeliveries
from shared.contracts.types import Channel, Contact
from shared.crypto.keyring import UnknownKey
from shared.crypto.sealing import BrokenSeal, contact_place, unseal


async def export(call: Call[Nothing, Nothing]) -> Outcome | Streamed:
    """All that is known of a person, for them to have: addresses and numbers in clear, no seed and no code. What was
    sent is kept for five weeks; of it the newest thousand. Each copy leaves an entry in the audit log.
    """
    answers: list[Outcome] = list(
        await asyncio.gather(
            call.ask(ReadSecurity(), account_id=call.account_id),
            call.ask(ReadDeliveriesOfAccount(), account_id=call.account_id),
        )
    )
    if all(isinstance(each, Said) for each in answers):  # last: it stands in the log from here on
        answers.append(await call.ask(ReadPersonalData(is_look=call.is_head), account_id=call.account_id))
    said = [each for each in answers if isinstance(each, Said)]
    problems = [each for each in answers if isinstance(each, Problem)]
    if problems:
        return problems[0]
    security, sent, personal = (each.data for each in said)
    document = _personal(call, PersonalData.model_validate(personal)) | {
        "security": dict(security),
        "deliveries": _deliveries(call, SentDeliveries.model_validate(sent)),
    }
    entries = Extract(
        tenant_id=call.tenant_id, actor=call.caller.actor, after=0, before=None, account_id=call.account_id
    )
    return Streamed(
        file_name=f"account-{call.account_id}.json",
        size_bytes=None,
        pieces=_pieces(document, pages_of(call.deps.asker, entries)),
        content_type=JSON,
    )


async def _pieces(document: dict[str, object], pages: Pages) -> AsyncIterator[bytes]:
    """The document, its last member growing with every page."""
    yield json.dumps(document, ensure_ascii=False)[:-1].encode() + b', "audit_entries": ['
    before = ""
    async for page in pages:
        yield (before + ", ".join(entry.model_dump_json() for entry in page)).encode()
        before = ", "
    yield b"]}"


def _personal(call: Call[Nothing, Nothing], data: PersonalData) -> dict[str, object]:
    shown = data.model_dump(mode="json", exclude={"email", "former_email", "phone"})
    return shown | {
        "email": _clear(call, data.email, Channel.EMAIL),
        "former_email": _clear(call, data.former_email, Channel.EMAIL),
        "phone": _clear(call, data.phone, Channel.SMS),
    }


def _deliveries(call: Call[Nothing, Nothing], sent: SentDeliveries) -> list[dict[str, object]]:
    return [
        each.model_dump(mode="json", exclude={"sealed"})
        | {"destination": _opened(call, each.sealed, each.destination, each.channel)}
        for each in sent.deliveries
    ]


def _clear(call: Call[Nothing, Nothing], contact: Contact | None, channel: Channel) -> str | None:
    return _opened(call, contact.sealed, contact.masked, channel) if contact is not None else None


def _opened(call: Call[Nothing, Nothing], sealed: str, masked: str, channel: Channel) -> str:
    """In clear: the gateway holds the ring that it seals contacts with. Masked where that key is gone."""
    try:
        return unseal(call.deps.notifier, sealed, contact_place(call.tenant_id, call.account_id, channel)).reveal()
    except (BrokenSeal, UnknownKey):
        return masked
