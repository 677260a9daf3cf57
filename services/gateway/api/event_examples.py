"""Worked examples of the events that come out, for the AsyncAPI document. A member that many events have means the same
in each, so it has one value; where an event uses it in its own way, that event says so.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from services.gateway.api.examples import example
from shared.contracts.codec import SPEC_VERSION

Json = dict[str, Any]

TENANT: Final = "01990000-0000-7000-8000-000000000001"
_KEY: Final = "01990000-0000-7000-8000-0000000000b1"
_DAY_AFTER: Final = "2027-02-01T09:30:00Z"
_WEEK_AFTER: Final = "2027-02-07T09:30:00Z"
_RECOVERY: Final[Json] = {"recovery_id": "01990000-0000-7000-8000-0000000000e1"}

_BY_NAME: Final[Mapping[str, object]] = MappingProxyType(
    {
        "advance_seconds": 86_400,
        "changed": ["name", "languages"],
        "count": 10,
        "deadline": _WEEK_AFTER,
        "hash": "5f" * 32,
        "key_id": _KEY,
        "kind": "backup_code",
        "mail_to": "root",
        "recipient": "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgp",
        "revoked_factors": 2,
        "signature": "c2lnbmF0dXJlLW9mLXRoZS1oZWFk",
        "stage": "1d",
        "username": f"tenant.{TENANT}",
    }
)
"""Values of members where those of the HTTP API's examples do not fit."""

_NOTICE: Final[Json] = {"notification": "recovery_waiting", **_RECOVERY}

_GROUNDS: Final[Json] = {
    "requirement": "role",
    "policy_version": 3,
    "policy_saved_by": "admin:root",
    "policy_saved_at": "2027-01-31T09:29:58Z",
    "since": "2027-01-31T09:30:00Z",
}

_OWN: Final[Mapping[str, Json]] = MappingProxyType(
    {
        "account.upserted": {"changed": ["role", "locale"], "is_sso": False},
        "api_key.created": {"scopes": ["logins", "accounts:write"]},
        "audit.exported": {"format": "jsonl", "after": 0, "before": 1_043},
        "audit.head": {"key_id": "k1"},
        "backup_codes.low": {"codes_left": 3},
        "challenge.cancelled": {"reason": "requested"},
        "challenge.issued": {"expires_at": "2027-01-31T09:40:00Z"},
        "challenge.rejected": {"reason": "code_wrong"},
        "code.undeliverable": {"reason": "30005"},
        "enforcement.started": _GROUNDS,
        "enforcement.locked_out": _GROUNDS | {"deadline": "2027-01-31T09:30:00Z", "since": "2027-01-24T09:30:00Z"},
        "factor.enrolled": {"reason": None, "approver": None},
        "factor.revoked": {"reason": "removed", "is_last": False},
        "factor.suspended": {"reason": "too_many_failures"},
        "login.decided": {"reason": "factor_active", "expires_at": "2027-01-31T09:40:00Z", "deadline": None},
        "notice.disputed": {"recovery_id": None},
        "notification.delivered": _NOTICE,
        "notification.expired": _NOTICE,
        "notification.sent": _NOTICE,
        "notification.undeliverable": {**_NOTICE, "reason": "550"},
        "recovery.cancelled": {"reason": "cancelled_by_link"},
        "recovery.waiting": {"ready_at": _DAY_AFTER},
        "recovery_code.issued": {"expires_at": "2027-01-31T10:30:00Z"},
        "report.ready": {"expires_at": _DAY_AFTER},
        "sessions.should_end": {"reason": "enforcement_locked_out"},
        "tenant.created": {"name": "Acme Helpdesk"},
        "tenant.exported": {"reason": "The tenant leaves"},
        "tenant.imported": {"refused": 3, "factors": 240, "backup_codes": 2_400},
        "trusted_device.added": {"expires_at": "2027-03-02T09:30:00Z"},
        "trusted_device.revoked": {"reason": "removed"},
        "webhook_endpoint.changed": {"changed": ["url", "enabled"]},
        "webhook_endpoint.disabled": {"reason": "failing"},
        "webhook_endpoint.secret_rotated": {"previous_until": _DAY_AFTER},
    }
)
"""What single events say; None: the member is left out."""

_SPEAKERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api_key": "/gateway",
        "audit": "/audit",
        "broker_access": "/cli",
        "code": "/notifier",
        "enforcement": "/policy",
        "notice": "/notifier",
        "notification": "/notifier",
        "policy": "/policy",
        "recovery": "/policy",
        "report": "/policy",
        "sandbox": "/policy",
        "sessions": "/policy",
        "tenant": "/cli",
        "webhook_endpoint": "/notifier",
    }
)
"""Who says the events of a noun; of all others, otp_worker."""

_OF_TENANT: Final = frozenset(
    {"api_key", "audit", "broker_access", "policy", "report", "sandbox", "tenant", "webhook_endpoint"}
)
"""Nouns that are of no account: their events have no `subject`."""


def worked(event_type: str, schema: Json, definitions: Mapping[str, Json]) -> Json:
    """A whole CloudEvent of that type; ``schema``: of its `data`."""
    noun = event_type.partition(".")[0]
    is_of_tenant = noun in _OF_TENANT
    event: Json = {
        "specversion": SPEC_VERSION,
        "id": "01990000-0000-7000-8000-000000000002",
        "source": _SPEAKERS.get(noun, "/otp_worker"),
        "type": event_type,
        "time": "2027-01-31T09:30:00+00:00",
        "datacontenttype": "application/json",
        "tenantid": TENANT,
        "actor": f"api_key:{_KEY}" if is_of_tenant else "account:ada",
        "correlationid": "01990000-0000-7000-8000-000000000003",
        "causationid": "01990000-0000-7000-8000-000000000004",
        "data": _data(event_type, schema, definitions),
    }
    return event if is_of_tenant else event | {"subject": "ada"}


def _data(event_type: str, schema: Json, definitions: Mapping[str, Json]) -> Json:
    """Its members by name, then in its own way; what is None is left out, as on the way."""
    made = example(schema, definitions)
    assert isinstance(made, dict)
    named = {name: _BY_NAME.get(name, value) for name, value in made.items()} | _OWN.get(event_type, {})
    return {name: value for name, value in named.items() if value is not None}
