"""Answers on their way to the gateway: sealed as a whole, the same bytes for every repetition of a request."""

from dataclasses import dataclass

from pydantic_core import from_json, to_json

from shared.contracts.commands import Request
from shared.contracts.envelope import Envelope
from shared.contracts.replies import Refusal, RefusalCode
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import Place, open_bytes, reply_place, seal_bytes
from shared.messaging.answers import StoredAnswer
from shared.messaging.outcome import Discard, Done, Ok, Outcome, Refused


@dataclass(frozen=True, slots=True)
class OpenedAnswer:
    """An answer as the gateway reads it: data, or a refusal."""

    data: dict[str, object] | None
    refusal: Refusal | None


def answer_place(envelope: Envelope[Request]) -> Place:
    """Where the answer to this request belongs."""
    request = envelope.data.request
    scope, key = (request.scope, request.key) if request else (envelope.data.type, str(envelope.id))
    return reply_place(envelope.tenant_id, scope, key)


def seal_answer(ring: KeyRing, envelope: Envelope[Request], outcome: Outcome) -> bytes:
    """The outcome of a request as the bytes of its reply."""
    content: dict[str, object]
    match outcome:
        case Ok(data):
            content = {"ok": data}
        case Refused(refusal):
            content = {"refused": refusal}
        case Done():
            content = {"ok": {}}
        case Discard():
            content = {"refused": Refusal(code=RefusalCode.INTERNAL_ERROR)}
    return seal_bytes(ring, to_json(content), answer_place(envelope)).encode()


def open_answer(ring: KeyRing, envelope: Envelope[Request], body: bytes) -> OpenedAnswer:
    """The reply to a request. Raises `BrokenSeal` for the reply to another one."""
    content = from_json(open_bytes(ring, body.decode(), answer_place(envelope)))
    refused = content.get("refused")
    return OpenedAnswer(content.get("ok"), Refusal.model_validate(refused) if refused else None)


def stored_answer(ring: KeyRing, envelope: Envelope[Request], outcome: Outcome) -> StoredAnswer | None:
    """The row that remembers the answer; None for a request without an Idempotency-Key."""
    request = envelope.data.request
    if request is None:
        return None
    return StoredAnswer(
        tenant_id=envelope.tenant_id,
        scope=request.scope,
        key=request.key,
        fingerprint=request.fingerprint.encode(),
        reply=seal_answer(ring, envelope, outcome),
        holds_secret=isinstance(outcome, Ok) and outcome.holds_secret,
        account_id=envelope.account_id,
    )


def repeated(ring: KeyRing, envelope: Envelope[Request], stored: StoredAnswer) -> bytes:
    """The reply to a request whose key was answered before."""
    request = envelope.data.request
    if request is None or stored.fingerprint != request.fingerprint.encode():
        return seal_answer(ring, envelope, Refused(Refusal(code=RefusalCode.IDEMPOTENCY_KEY_REUSED)))
    if not stored.reply:
        return seal_answer(ring, envelope, Refused(Refusal(code=RefusalCode.ALREADY_ANSWERED)))
    return stored.reply
