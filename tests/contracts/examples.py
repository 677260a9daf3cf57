"""One message of every type, every field filled: what the golden files are made of.

Most fields mean the same wherever they stand, so they have one example by name; a message whose fields mean something
of their own says so in `_OWN`. What is sealed here was never sealed: the words only look like it.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from shared.contracts.codec import MESSAGES
from shared.contracts.envelope import Envelope, Message, begin

TENANT = UUID("01990000-0000-7000-8000-000000000001")
MESSAGE = UUID("01990000-0000-7000-8000-000000000002")
CORRELATION = UUID("01990000-0000-7000-8000-000000000003")
CAUSATION = UUID("01990000-0000-7000-8000-000000000004")
ACCOUNT = "agent-42"
AT = dt.datetime(2027, 1, 31, 9, 30, tzinfo=dt.UTC)

_CHALLENGE = "01990000-0000-7000-8000-0000000000c1"
_FACTOR = "01990000-0000-7000-8000-0000000000f1"
_RECOVERY = "01990000-0000-7000-8000-0000000000e1"
_DELIVERY = "01990000-0000-7000-8000-0000000000d1"
_ERASURE = "01990000-0000-7000-8000-0000000000e5"
_REPORT = "01990000-0000-7000-8000-000000000091"
_DEVICE = "01990000-0000-7000-8000-0000000000a1"
_ENDPOINT = "01990000-0000-7000-8000-0000000000e9"
_DEADLINE = "2027-02-07T09:30:00Z"
_SEALED = "v1.k1.c2VhbGVkLWZvci10aGUtZXhhbXBsZQ=="
_MAIL = {"sealed": _SEALED, "masked": "a••@acme.example", "digest": "k1.ZGlnZXN0LW9mLWFuLWFkZHJlc3M"}
_PHONE = {"sealed": _SEALED, "masked": "+44 •••• ••0123", "digest": "k1.ZGlnZXN0LW9mLWEtbnVtYmVy"}
_POLICY = {
    "methods": ["totp", "email"],
    "required": {"scope": "roles", "roles": ["agent", "admin"]},
    "grace_days": None,
    "grace_until": "2027-03-01T00:00:00Z",
    "after_grace": "enrol",
    "trusted_device_days": 14,
    "backup_codes": "before_activation",
    "recovery_key": "beside",
    "recovery": {"enabled": True, "wait_hours": 48},
    "enrolment_proof": True,
    "enrol_when_locked_out": True,
    "api_password": "allow_in_grace",
    "trusted_idps": ["https://idp.acme.example"],
}

_BY_NAME: Mapping[str, object] = MappingProxyType(
    {
        "with_proof": True,
        "account_id": ACCOUNT,
        "accounts": 12_345,
        "acting": {"actor": "admin-1", "proof": _CHALLENGE, "approver": "admin-2", "approver_proof": _CHALLENGE},
        "active": True,
        "advance_seconds": 86_400,
        "approver": "admin-2",
        "attempts_left": 3,
        "backup_code": _SEALED,
        "challenge_id": _CHALLENGE,
        "changed": ["role", "locale"],
        "changed_at": "2027-01-31T09:29:58Z",
        "channel": "email",
        "code": _SEALED,
        "codes_left": 2,
        "context": {"ip": "203.0.113.7", "user_agent": "Mozilla/5.0"},
        "count": 10,
        "deadline": _DEADLINE,
        "decision": "challenge",
        "delivery_id": _DELIVERY,
        "destination": "a••@acme.example",
        "device_id": _DEVICE,
        "digest": "k1.ZGlnZXN0LW9mLWFuLWFkZHJlc3M",
        "email": _MAIL,
        "email_verified": True,
        "enabled": True,
        "endpoint_id": _ENDPOINT,
        "erasure_id": _ERASURE,
        "events": ["login.decided", "factor.*"],
        "expires_at": "2027-01-31T09:40:00Z",
        "export_id": "01990000-0000-7000-8000-000000000071",
        "factor_id": _FACTOR,
        "factor_type": "totp",
        "first_factor": {
            "method": "sso",
            "idp": "https://idp.acme.example",
            "amr": ["pwd"],
            "at": "2027-01-31T09:29:59Z",
        },
        "exempt_until": "2027-02-28T09:30:00Z",
        "extended_until": "2027-02-14T09:30:00Z",
        "happened_at": "2027-01-31T09:29:58Z",
        "said_at": "2027-01-31T09:29:58Z",
        "unused_since": "2027-01-31T09:29:58Z",
        "hash": "5f" * 32,
        "hours": 24,
        "import_id": "01990000-0000-7000-8000-000000000071",
        "ip": "203.0.113.7",
        "is_active": True,
        "is_attack": True,
        "is_by_link": True,
        "is_executed": True,
        "is_first": True,
        "is_forced": True,
        "is_immediate": True,
        "is_import": True,
        "is_imported": True,
        "is_last": False,
        "is_look": True,
        "is_new": True,
        "is_sandbox": True,
        "is_sso": False,
        "is_whole": False,
        "key_id": "01990000-0000-7000-8000-0000000000b1",
        "kind": "recovery_key",
        "limit": 25,
        "locale": "de-AT",
        "mail_to": "admin-1",
        "mailbox": _MAIL,
        "method": "totp",
        "name": "Acme Helpdesk",
        "newest_first": True,
        "not_after": "2027-01-31T09:40:00Z",
        "notification": "code",
        "password_changed_at": "2027-01-02T08:00:00Z",
        "phone": _PHONE,
        "policy": _POLICY,
        "policy_version": 3,
        "previous_until": "2027-02-01T09:30:00Z",
        "proof": _CHALLENGE,
        "purpose": "sign_in",
        "page": 7,
        "permit_id": "01990000-0000-7000-8000-000000000071",
        "number": 7,
        "ready_at": "2027-02-01T09:30:00Z",
        "recovery_code": _SEALED,
        "recovery_id": _RECOVERY,
        "recovery_key": _SEALED,
        "replaces": _FACTOR,
        "redeem_digest": "5f" * 32,
        "refused": 3,
        "report_id": _REPORT,
        "request": {
            "scope": "POST /v1/logins",
            "key": "1c0f2b7e",
            "fingerprint": "k1.a2V5ZWQtZGlnZXN0LW9mLWEtYm9keQ",
        },
        "requested_at": "2027-01-30T09:30:00Z",
        "required": True,
        "revoked_factors": 2,
        "role": "agent",
        "scopes": ["logins", "accounts:write"],
        "secrets": _SEALED,
        "seq": 1_000,
        "signed_at": "2027-01-31T09:30:00Z",
        "sso": False,
        "state": "grace",
        "time_zone": "Europe/Vienna",
        "token": _SEALED,
        "trust_device": True,
        "trusted_device_token": _SEALED,
        "until": "2027-02-01T09:30:00Z",
        "version": 7,
    }
)

_CODE_BY_MAIL: Mapping[str, object] = {
    "destination": _MAIL,
    "language": "de",
    "params": {"tenant_name": "Acme Helpdesk", "minutes": 10, "domain": "acme.example", "purpose": "sign_in"},
}
_ENDPOINT_AT: Mapping[str, object] = {"url": _SEALED, "description": "Production"}
_NOTICE: Mapping[str, object] = {"notification": "recovery_waiting"}

_GROUNDS: Mapping[str, object] = {
    "requirement": "role",
    "since": "2027-01-31T09:30:00Z",
    "policy_saved_by": "admin:admin-1",
    "policy_saved_at": "2027-01-31T09:29:58Z",
}

_OWN: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        # A real one holds one of code, backup_code, recovery_key and recovery_code; here all four are pinned by name.
        "start_enrolment": {
            "factor_type": "sms",
            "name": "Work phone",
            "destination": _PHONE,
            "reason": "hired today",
        },
        "factor.enrolled": {"reason": "hired today", "approver": "admin-2"},
        "rename_factor": {"name": "Work phone"},
        "conclude_erasure": {"keeper": "notifier"},
        "import_factors": {"destinations": [{"type": "sms", "contact": _PHONE, "name": "Work phone"}]},
        "import_factors_of_many": {
            "people": [
                {
                    "account_id": ACCOUNT,
                    "destinations": [{"type": "sms", "contact": _PHONE, "name": "Work phone"}],
                    "secrets": _SEALED,
                }
            ]
        },
        "import_accounts": {
            "accounts": [
                {
                    "account_id": ACCOUNT,
                    "change": {"given": ["role", "email"], "role": "agent", "email": _MAIL, "is_import": True},
                }
            ]
        },
        "put_account": {
            "given": ["role", "email", "email_verified", "phone", "locale", "time_zone", "sso", "active", "version"]
        },
        "list_accounts": {"after": "agent-41"},
        "unlock": {"reason": "identity checked by telephone"},
        "cancel_challenges": {"reason": "sso"},
        "change_enforcement": {
            "given": ["required", "exempt_until", "extended_until"],
            "reason": "on leave without the phone",
        },
        "clear_enforcement": {"reason": "back at work"},
        "deny_recovery": {"reason": "not asked for by the owner"},
        "announce_requirement": {"after": "agent-41"},
        "remind_of_enforcement": {"stage": "1d"},
        "remind_of_recovery": {"stage": "half_time"},
        "send_email": _CODE_BY_MAIL,
        "send_sms": {**_CODE_BY_MAIL, "destination": _PHONE},
        "read_sandbox_messages": {"after": _DELIVERY},
        "record_receipt": {
            "url": "https://deskfactor.acme.example/v1/callbacks/twilio",
            "params": "v1.k1.c2VhbGVkLWZpZWxkcw==",
            "signature": "c2lnbmF0dXJlLW9mLXRoZS1wcm92aWRlcg==",
        },
        "create_webhook_endpoint": _ENDPOINT_AT,
        "change_webhook_endpoint": _ENDPOINT_AT,
        "read_webhook_deliveries": {"before": _DELIVERY, "state": "failed"},
        "read_entries": {"after": 100, "before": 200, "types": ["login.decided", "factor.confirmed"]},
        "report.ready": {"expires_at": "2027-02-01T09:30:00Z"},
        "login.decided": {"reason": "factor_active"},
        "challenge.rejected": {"reason": "code_wrong"},
        "challenge.cancelled": {"reason": "requested"},
        "code.undeliverable": {"reason": "30005"},
        "notification.sent": _NOTICE,
        "notification.delivered": _NOTICE,
        "notification.undeliverable": {**_NOTICE, "reason": "550"},
        "notification.expired": _NOTICE,
        "notice.disputed": {"notification": "factor_added", "is_repeated": True},
        "factor.revoked": {"reason": "removed"},
        "factor.suspended": {"reason": "too_many_failures"},
        "trusted_device.added": {"expires_at": "2027-03-02T09:30:00Z"},
        "trusted_device.revoked": {"reason": "removed"},
        "recovery.cancelled": {"reason": "cancelled_by_link"},
        "recovery.denied": {"reason": "not asked for by the owner"},
        "enforcement.started": _GROUNDS,
        "enforcement.locked_out": _GROUNDS,
        "enforcement.reminded": {"stage": "1d"},
        "enforcement.changed": {"reason": "on leave without the phone"},
        "enforcement.unlocked": {"reason": "identity checked by telephone"},
        "sessions.should_end": {"reason": "locked_out"},
        "account.reset": {"reason": "recovery", "approver": "admin-2"},
        "make_recovery_code": {"reason": "lost phone, identity checked", "minutes": 30},
        "recovery_code.issued": {"reason": "lost phone, identity checked", "approver": "admin-2"},
        "reset_account": {"reason": "lost phone, identity checked"},
        "export_accounts": {"after": "agent-41"},
        "tenant.exported": {"recipient": "age1example", "reason": "the tenant leaves"},
        "tenant.imported": {"factors": 12_000, "backup_codes": 120_000},
        "tenant.changed": {
            "changed": ["name", "languages"],
            "admin_proof": "optional",
            "reason": "no admin has a second factor left",
        },
        "webhook_endpoint.changed": {"changed": ["url", "enabled"]},
        "webhook_endpoint.disabled": {"reason": "failing"},
        "broker_access.granted": {"username": f"tenant.{TENANT}", "is_rotated": True},
        "broker_access.revoked": {"username": f"tenant.{TENANT}"},
        "audit.exported": {"format": "jsonl", "after": 100, "before": 200},
        "open_audit_export": {"format": "jsonl", "after": 100, "before": 200},
        "audit.head": {"key_id": "k1", "signature": "c2lnbmF0dXJlLW9mLXRoZS1oZWFk"},
    }
)


def example(message_type: str) -> Envelope[Message]:
    """The example of a type. `KeyError` names the field that has none yet: give it one above."""
    model = MESSAGES[message_type]
    own = _OWN.get(message_type, {})
    data = model.model_validate({name: own[name] if name in own else _BY_NAME[name] for name in model.model_fields})
    first = begin(
        data,
        tenant_id=TENANT,
        account_id=ACCOUNT,
        actor=f"account:{ACCOUNT}",
        source="/gateway",
        at=AT,
        correlation_id=CORRELATION,
        message_id=MESSAGE,
    )
    return dataclasses.replace(first, causation_id=CAUSATION)
