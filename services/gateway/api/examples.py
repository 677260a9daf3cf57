"""Examples for the OpenAPI document, made of the schemas: a member means the same wherever it stands, so it has one
example by its name. What a model says of itself (`examples` in its schema) comes first.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Json = dict[str, Any]

_ID: Final = "01990000-0000-7000-8000-0000000000c1"
_AT: Final = "2027-01-31T09:30:00Z"
_SVG: Final = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 41 41"><path d="M4 4h7"/></svg>'
_SEED: Final = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

BY_NAME: Final[Mapping[str, object]] = MappingProxyType(
    {
        "account_id": "ada",
        "actor": "root",
        "advice": "Less secure than an app: numbers can be taken over.",
        "actor_proof": _ID,
        "approver": "second-admin",
        "approver_proof": _ID,
        "amr": ["otp"],
        "assertion": "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIn0.eyJhdWQiOiI…",
        "attempts_left": 4,
        "backup_code": "0-W5QR-K71F-91PE-707W",
        "backup_codes": ["0-W5QR-K71F-91PE-707W", "1-B3CX-W8N6-RJSZ-0FG2"],
        "backup_codes_left": 9,
        "code": "123456",
        "codes_left": 9,
        "colour": "#1f4e79",
        "countries": ["DE", "AT"],
        "description": "Production",
        "destination": "a•••@acme.example",
        "detail": "What to do about it, in a sentence.",
        "disabled_reason": "failing",
        "domain": "help.acme.example",
        "email": "a•••@acme.example",
        "end_reason": "cancelled_by_link",
        "enforcement_state": "grace",
        "event_id": _ID,
        "event_type": "factor.confirmed",
        "events": ["login.decided", "factor.*"],
        "file_name": "two-factor-report.csv",
        "format": "csv",
        "from_name": "Acme Helpdesk",
        "generated_at": _AT,
        "guidance": "They are shown only now. Store them in a password manager, and never share them with anybody.",
        "hint": "df_test_…x4Qz",
        "ip": "192.0.2.7",
        "key": "df_test_…",
        "languages": ["en", "de"],
        "leads_to": "security",
        "locale": "en-GB",
        "logo_url": "https://help.acme.example/logo.svg",
        "mail_to_account": "root",
        "mailbox": "a•••@acme.example",
        "name": "Phone",
        "next_after": 1042,
        "next_cursor": "MTA0Mg",
        "notification": "factor_added",
        "notice": "recovery_waiting",
        "offset_seconds": 86_400,
        "phone": "•••• 23",
        "pointer": "/email",
        "qr_svg": _SVG,
        "reason": "On the phone, new device",
        "recovery_code": "0-9F4T-QW2M-7XKC-A6ND",
        "recovery_key": "0-5HJ8-TR3V-0BQY-N7EC",
        "redirect_url": "https://help.acme.example/signed-in",
        "request_id": _ID,
        "return_urls": ["https://help.acme.example/signed-in"],
        "scopes": ["logins", "accounts:write"],
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw…",
        "seed": _SEED,
        "seed_grouped": " ".join(_SEED[at : at + 4] for at in range(0, len(_SEED), 4)),
        "size_bytes": 40_960,
        "sms_sender": "Acme",
        "status": 200,
        "subject": "ada",
        "summary": "A second factor was added (totp).",
        "text": "Your code is 123456.",
        "time_zone": "Europe/Vienna",
        "title": "In a few words",
        "to": "ada@acme.example",
        "source": "/helpdesk",
        "id": _ID,
        "downloads_left": 3,
        "accounts": 250,
        "done": 250,
        "total": 250,
        "attempts": 1,
        "seq": 1042,
        "sends_left": 3,
        "token": "Zm9yLXRoaXMtZXhhbXBsZS1vbmx5",
        "trusted_device_token": "Zm9yLXRoaXMtZXhhbXBsZS1vbmx5",
        "trusted_idps": ["https://idp.acme.example"],
        "type": "factor.confirmed",
        "trusted_device_days": 30,
        "uri": f"otpauth://totp/Acme:ada?secret={_SEED}&issuer=Acme",
        "url": "https://help.acme.example/webhooks/deskfactor",
        "user_agent": "Mozilla/5.0",
    }
)
"""Values of members that are no enumeration, number or instant whose schema says enough."""

_EVENT: Final[Json] = {
    "specversion": "1.0",
    "id": _ID,
    "source": "/otp_worker",
    "type": "factor.confirmed",
    "subject": "ada",
    "time": _AT,
    "datacontenttype": "application/json",
    "data": {"factor_id": _ID, "factor_type": "totp", "is_first": True},
}
_DECIDED: Final[Json] = {
    "assertion": None,
    "deadline": None,
    "notice": None,
    "reason": "factor_enrolled",
    "recovery": None,
}
_ENABLED: Final[Json] = {"disabled_at": None, "disabled_reason": None, "failing_since": None, "missed": 0}
_ACCOUNT: Final[Json] = {"email_verified": True, "sso": False}
_TENANT: Final[Json] = {"name": "Acme Helpdesk", "identity_providers": ["https://idp.acme.example"]}
_FACTOR: Final[Json] = {
    "id": _ID,
    "type": "totp",
    "name": "Phone",
    "destination": None,
    "created_at": _AT,
    "next_send_at": None,
}
_PENDING: Final[Json] = {"state": "pending", "expires_at": _AT, "confirmed_at": None, "last_used_at": None}
_NO_RECOVERY: Final[Json] = {"recovery_id": None, "ready_at": None}
_NOT_ENDED: Final[Json] = {"ended_at": None, "end_reason": None, "end_note": None}
_POLICY: Final[Json] = {"methods": ["totp", "email"], "grace_until": None, "grace_days": 7}

_OWN: Final[Mapping[str, Json]] = MappingProxyType(
    {
        "AccountStatus": _ACCOUNT | {"throttled_until": None, "recovery": None},
        "AccountView": _ACCOUNT,
        "ApiKey": {"name": "Backend"},
        "Challenge": {"sent_to": None, "next_send_at": None},
        "ChallengeView": {"sent_to": None, "next_send_at": None},
        "DeliveryView": {"reason": None, "notification": "code"},
        "EnforcementView": {"exempt_until": None},
        "Entry": {"event": _EVENT},
        "EventResult": {"status": "accepted", "code": None, "errors": []},
        "FactorView": {"destination": None, "next_send_at": None, "expires_at": None, "advice": None},
        "Feed": {"data": [_EVENT]},
        "FirstFactorBody": {"idp": None, "amr": []},
        "DecidedLogin": _DECIDED | {"prompt_url": None},
        "GateView": {"reason": "grace", "sessions_valid_from": None},
        "LoginAnswer": _DECIDED,
        "NewApiKey": {"name": "Backend"},
        "NewWebhookEndpoint": _ENABLED | {"previous_secret_until": None},
        "OfferedFactor": {"destination": None, "next_send_at": None, "advice": None},
        "Policy": _POLICY,
        "RedeemAnswer": {"leads_to": None},
        "OfferedMethod": {"type": "sms", "strength": "less_secure"},
        "RecoveryView": _NOT_ENDED | {"challenge_id": None, "state": "waiting"},
        "Requirement": {"scope": "roles", "roles": ["agent", "admin"]},
        "RevokedDevices": {"revoked": 2},
        "SandboxMessage": {"notification": "code", "subject": "123456 is your sign-in code"},
        "Tenant": _TENANT,
        "TimelineEntry": {"data": _EVENT["data"], "told": None},
        "VerifyAnswer": {"recovery_key": None, "leads_to": None, "backup_codes_left": None} | _NO_RECOVERY,
        "WebhookDeliveryView": {"reason": None, "next_attempt_at": None},
        "WebhookEndpointView": _ENABLED | {"previous_secret_until": None},
    }
)
"""What a model's members are together, where one by one they would contradict each other."""

_CHOICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ChallengeState": "open",
        "Decision": "challenge",
        "DeliveryState": "delivered",
        "EnforcementState": "grace",
        "FactorState": "active",
        "ReportState": "ready",
        "Role": "agent",
        "Strength": "strong",
        "WebhookState": "delivered",
    }
)
"""The value of an enumeration that shows most; else its first."""


BY_CALL: Final[Mapping[tuple[str, str], Json]] = MappingProxyType(
    {
        ("POST", "/v1/accounts/{account_id}/factors"): {
            "factor": _FACTOR | _PENDING,
            "backup_codes": None,
            "recovery_key": None,
        },
        ("POST", "/v1/accounts/{account_id}/factors/{factor_id}/send"): _PENDING
        | {"type": "sms", "destination": "•••• 23", "next_send_at": _AT},
        ("DELETE", "/v1/accounts/{account_id}/factors/{factor_id}"): {"state": "revoked"},
        ("POST", "/v1/challenges/{challenge_id}/cancel"): {"state": "cancelled", "attempts_left": 0, "sends_left": 0},
        ("POST", "/v1/accounts/{account_id}/recovery"): {"state": "draft", "ready_at": None, "challenge_id": _ID},
        ("POST", "/v1/accounts/{account_id}/recovery/{recovery_id}/cancel"): {
            "state": "cancelled",
            "ended_at": _AT,
            "end_reason": "cancelled",
        },
        ("POST", "/v1/accounts/{account_id}/recovery/{recovery_id}/deny"): {
            "state": "denied",
            "ended_at": _AT,
            "end_reason": "denied",
            "end_note": "Not asked for by the owner",
        },
    }
)
"""What an answer says after just this call, where the same model says something else after others."""


def example(schema: Json, definitions: Mapping[str, Json], name: str = "") -> object:
    """An instance of the schema: every member is there, so that a reader sees all that may come."""
    if "$ref" in schema:
        title = str(schema["$ref"]).rpartition("/")[2]
        return _of_model(title, definitions[title], definitions, name)
    if "examples" in schema:
        return schema["examples"][0]
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for options in ("anyOf", "oneOf"):
        if options in schema:
            wanted: Json = next((option for option in schema[options] if option.get("type") != "null"), {})
            return example(wanted, definitions, name)
    return _of_type(schema, definitions, name)


def _of_model(title: str, schema: Json, definitions: Mapping[str, Json], name: str) -> object:
    if "enum" in schema:
        return _CHOICES.get(title, schema["enum"][0])
    made = example(schema, definitions, name)
    return made | _OWN[title] if title in _OWN and isinstance(made, dict) else made


def _of_type(schema: Json, definitions: Mapping[str, Json], name: str) -> object:
    match schema.get("type"):
        case "object":
            members = schema.get("properties", {})
            return {each: example(part, definitions, each) for each, part in members.items()}
        case "array":
            if isinstance(BY_NAME.get(name), list):
                return BY_NAME[name]
            items = schema.get("items") or next(iter(schema.get("prefixItems", [])), None)
            return [example(items, definitions, name.removesuffix("s"))] if items else []
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            known = BY_NAME.get(name)
            return known if isinstance(known, int) else schema.get("default") or schema.get("minimum") or 1
        case "boolean":
            return schema.get("default", True)
        case _:
            return schema.get("default")


def _text(schema: Json, name: str) -> str:
    match schema.get("format"):
        case "uuid":
            return _ID
        case "date-time":
            return _AT
        case "date":
            return _AT[:10]
        case _:
            known = BY_NAME.get(name, schema.get("default"))
            return known if isinstance(known, str) else name or "text"
