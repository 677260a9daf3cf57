"""What happened, in words: a sentence for each event, for the timeline of an account."""

from collections.abc import Mapping
from types import MappingProxyType

from services.gateway.api.answers import TimelineEntry
from services.gateway.api.event_words import grounds, in_words
from services.gateway.api.reminders import NO_LOCKS, Told, in_a_sentence
from shared.contracts.replies import Entry

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "account.erased": "The helpdesk deleted the account.",
        "account.exported": "A copy of what is known of the person was taken.",
        "account.password_changed": "The password was changed at the helpdesk.",
        "account.reset": "Two-factor sign-in was reset: {reason}.",
        "account.upserted": "The helpdesk sent the account's data.",
        "api_key.created": "An API key was made.",
        "api_key.revoked": "An API key was revoked.",
        "audit.exported": "The audit log was taken away ({format}), the entries after {after} and before {before}.",
        "audit.head": "The audit log was signed up to entry {seq}.",
        "backup_codes.generated": "{count} backup codes were made; those before are void.",
        "backup_codes.imported": "{count} backup codes of another system were taken over.",
        "backup_codes.low": "Only {codes_left} backup codes are left.",
        "backup_codes.used": "A backup code was used in place of a factor; {codes_left} are left.",
        "broker_access.granted": "The helpdesk was given access to the broker as {username}.",
        "broker_access.revoked": "The helpdesk's access to the broker was ended.",
        "challenge.cancelled": "The challenge was cancelled: {reason}.",
        "challenge.exhausted": "The challenge ended: too many wrong codes.",
        "challenge.expired": "The challenge expired unanswered.",
        "challenge.issued": "A second factor was asked for ({purpose}).",
        "challenge.redeemed": "The verified challenge was redeemed by the helpdesk.",
        "challenge.rejected": "A code was refused ({reason}); {attempts_left} attempts left.",
        "challenge.verified": "The second factor was right: {method} ({purpose}).",
        "code.delivered": "The code reached {destination}.",
        "code.expired": "A code for {destination} was too late and was not sent.",
        "code.sent": "A code was sent to {destination}.",
        "code.undeliverable": "A code could not be delivered to {destination}: {reason}.",
        "enforcement.changed": "What is asked of the account has changed: {reason}.",
        "enforcement.locked_out": "The account was locked out: there was no second factor at the deadline, {deadline}.",
        "enforcement.reminded": "A reminder was given, {stage} before the deadline, {deadline}.",
        "enforcement.satisfied": "The account has the second factor that it must have.",
        "enforcement.started": "A second factor is required; there is time until {deadline}.",
        "enforcement.unlocked": "The account was unlocked: {reason}.",
        "factor.confirmed": "A second factor was added ({factor_type}).",
        "factor.enrolled": "The enrolment of a second factor began ({factor_type}).",
        "factor.expired": "The enrolment of a second factor was not finished in time ({factor_type}).",
        "factor.revoked": "A second factor was removed ({factor_type}): {reason}.",
        "factor.suspended": "A second factor was suspended ({factor_type}): {reason}.",
        "login.decided": "Login ({purpose}): {decision}, because {reason}.",
        "notice.disputed": "The owner said of the notice `{notification}`: this was not me.",
        "notification.delivered": "The notice `{notification}` reached {destination}.",
        "notification.expired": "The notice `{notification}` for {destination} was too late and was not sent.",
        "notification.sent": "The notice `{notification}` was sent to {destination}.",
        "notification.undeliverable": "The notice `{notification}` could not be delivered to {destination}: {reason}.",
        "policy.changed": "The policy was changed (version {version}).",
        "recovery.attack": "The owner said that somebody else asked for the recovery.",
        "recovery.cancelled": "The recovery was stopped: {reason}.",
        "recovery.denied": "An admin refused the recovery: {reason}.",
        "recovery.executed": "The recovery was carried out; {revoked_factors} factors were removed.",
        "recovery.expired": "The recovery was not confirmed by mail in time.",
        "recovery.requested": "A lost device was reported; the mailbox has to be proved.",
        "recovery.superseded": "The recovery was replaced by a newer request.",
        "recovery.waiting": "The mailbox was proved; two-factor sign-in goes off at {ready_at} unless it is stopped.",
        "recovery_code.issued": "An admin made a recovery code, good until {expires_at}: {reason}.",
        "recovery_code.used": "The recovery code was used.",
        "report.downloaded": "A report was downloaded.",
        "report.expired": "A report's time was over; its content is gone.",
        "report.ready": "A report of {accounts} accounts was ready.",
        "report.requested": "A report of who uses two-factor sign-in was asked for.",
        "sandbox.clock_moved": "The sandbox's clock went forward by {advance_seconds}.",
        "sessions.should_end": "The helpdesk was asked to end the account's sessions: {reason}.",
        "tenant.changed": "The tenant's settings were changed: {changed}.",
        "tenant.created": "The tenant was created.",
        "tenant.exported": "The operator exported the tenant, sealed to {recipient}: {reason}.",
        "tenant.import_started": "The operator began to take accounts over from another system.",
        "tenant.imported": "{accounts} accounts were taken over from another system; {refused} lines were refused.",
        "tenant.suspended": "The tenant was suspended.",
        "tenant.resumed": "The tenant is not suspended any more.",
        "trusted_device.added": "A device was trusted until {expires_at}.",
        "trusted_device.revoked": "A device is not trusted any more: {reason}.",
        "webhook_endpoint.changed": "A webhook endpoint was changed.",
        "webhook_endpoint.created": "A webhook endpoint was made.",
        "webhook_endpoint.deleted": "A webhook endpoint was deleted.",
        "webhook_endpoint.disabled": "A webhook endpoint was disabled: {reason}.",
        "webhook_endpoint.secret_rotated": "A webhook secret was replaced; the old one signs until {previous_until}.",
        "webhook_endpoint.tested": "A webhook endpoint was tried out.",
    }
)


_ENFORCEMENT = MappingProxyType(
    {
        "exempt": "The account is exempt until {exempt_until}: {reason}.",
        "grace": "The account has until {deadline} to set up a second factor: {reason}.",
        "locked_out": "The account is locked out: {reason}.",
        "must_enrol": "The account must set up a second factor at its next login: {reason}.",
        "not_required": "No second factor is asked of the account any more: {reason}.",
        "satisfied": "The account has the second factor that it must have: {reason}.",
    }
)
VARIANTS: Mapping[str, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        "backup_codes.generated": ("kind", {"recovery_key": "A recovery key was made; the one before is void."}),
        "backup_codes.imported": ("kind", {"recovery_key": "The recovery key of another system was taken over."}),
        "backup_codes.used": (
            "kind",
            {"recovery_key": "The recovery key was used in place of a factor; a new one is in its place."},
        ),
        "enforcement.changed": ("state", _ENFORCEMENT),
        "enforcement.started": ("deadline", {"": "A second factor is required at the next login."}),
    }
)
"""Other sentences for some values of a field; an empty one: the field is not there."""


def explain(entry: Entry, told: Mapping[int, Told] = NO_LOCKS) -> dict[str, object]:
    """An entry of the audit log as the timeline shows it; ``told``: by the number of a lock, the notices before it."""
    data = entry.event.get("data") if entry.event else None
    notices = told.get(entry.seq)
    fields = data if isinstance(data, dict) else None
    shown = TimelineEntry(
        seq=entry.seq,
        at=entry.at,
        type=entry.type,
        summary=sentence(entry.type, fields) + (f" {in_a_sentence(notices)}" if notices is not None else ""),
        actor=entry.actor,
        data=fields,
        told=notices,
    )
    return shown.model_dump(mode="json")


def sentence(kind: str, data: dict[str, object] | None) -> str:
    """What happened; ``data``: the event's, None where it was erased."""
    if data is None:
        return "The details were erased."
    return _template(kind, data).format_map(_Gaps(in_words(kind, data))) + grounds(data)


def _template(kind: str, data: dict[str, object]) -> str:
    field, variants = VARIANTS.get(kind, ("", {}))
    return variants.get(str(data.get(field) or ""), SENTENCES.get(kind, kind))


class _Gaps(dict[str, object]):
    """An older event may lack a field that a newer sentence names."""

    def __missing__(self, key: str) -> str:
        return "?"
