"""Problem documents (RFC 9457): one table of every way in which a request can go wrong.

`code` is the stable word for programs, `type` a page that exists (``/problems/<slug>``). What the caller sent is never
echoed: it may hold a code or a key.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType

from services.gateway.settings import GatewaySettings
from shared.contracts.replies import Refusal, RefusalCode

CONTENT_TYPE = "application/problem+json"
RETRY_UNAVAILABLE = 2  # seconds; a process that restarts or a switch-over is back within a few of these
RETRY_LIMITED = 60  # seconds, where the deciding service named no instant


class HttpCode(enum.StrEnum):
    """What goes wrong before a service is asked."""

    BODY_TOO_LARGE = "body_too_large"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    FORBIDDEN_SCOPE = "forbidden_scope"
    HTTP_METHOD_NOT_ALLOWED = "http_method_not_allowed"
    IDEMPOTENCY_KEY_INVALID = "idempotency_key_invalid"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing"
    KEY_EXPIRED = "key_expired"
    KEY_NOT_FOUND = "key_not_found"
    MALFORMED_JSON = "malformed_json"
    NOT_FOUND = "not_found"
    PHONE_NOT_MOBILE = "phone_not_mobile"
    PROMPT_KIND_NOT_SERVED = "prompt_kind_not_served"
    REQUEST_REFUSED = "request_refused"
    RETURN_URL_NOT_ALLOWED = "return_url_not_allowed"
    TENANT_SUSPENDED = "tenant_suspended"
    TOO_MANY_KEYS = "too_many_keys"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    VALIDATION_FAILED = "validation_failed"


Code = RefusalCode | HttpCode


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: HTTP status, title, and what to do about it."""

    status: int
    title: str
    text: str


KINDS: Mapping[Code, Kind] = MappingProxyType(
    {
        RefusalCode.ACCOUNT_NOT_FOUND: Kind(404, "No such account", "Put the account first: PUT /v1/accounts/{id}."),
        RefusalCode.ACCOUNT_ERASED: Kind(
            409,
            "The account was erased",
            "At this `version` or a later one. A higher version, or none, makes a new account of that id.",
        ),
        RefusalCode.ACCOUNT_INACTIVE: Kind(409, "The account is inactive", "Inactive accounts are not let in."),
        RefusalCode.ACTOR_NOT_AN_ADMIN: Kind(
            403, "The actor is no admin", "`actor` names an active account of the tenant with the role `admin`."
        ),
        RefusalCode.ACTOR_PROOF_REQUIRED: Kind(
            403,
            "The actor's fresh proof is required",
            "Give `actor_proof`: a challenge of the actor, purpose `step_up`, verified within ten minutes by a factor, "
            "a backup code or a recovery key.",
        ),
        RefusalCode.ALREADY_ANSWERED: Kind(
            409,
            "Already answered",
            "The answer to this Idempotency-Key held a secret and is not shown again. Start anew with another key.",
        ),
        RefusalCode.APPROVER_REQUIRED: Kind(
            403,
            "A second admin is required",
            "Give `approver` and `approver_proof`: another admin, with a step-up of their own like the actor's.",
        ),
        RefusalCode.CHALLENGE_NOT_FOUND: Kind(404, "No such challenge", "Ids of challenges come from POST /v1/logins."),
        RefusalCode.CHALLENGE_NOT_OPEN: Kind(
            409, "The challenge is over", "It was answered or cancelled already. Start another login."
        ),
        RefusalCode.CHALLENGE_EXPIRED: Kind(
            409, "The challenge has expired", "A challenge lives for ten minutes. Start another login."
        ),
        RefusalCode.CHALLENGE_EXHAUSTED: Kind(
            409, "No attempts left", "Five codes were tried on this challenge. Start another login."
        ),
        RefusalCode.CLOCK_OFF: Kind(
            422,
            "The authenticator's clock is off",
            "The code belongs to another time; `minutes_off` says how far the device's clock is ahead (behind: "
            "negative). Set it, and try a new code.",
        ),
        RefusalCode.CLOCK_TOO_FAR: Kind(
            409, "The clock is far enough", "A sandbox's clock goes ten years ahead at most. Take another sandbox."
        ),
        RefusalCode.CODES_UNSAVED: Kind(
            409,
            "The backup codes are not saved yet",
            "They were shown when the enrolment began. Once they are saved, POST …/backup-codes/acknowledge, then "
            "confirm again: the code was not looked at.",
        ),
        RefusalCode.CODE_ALREADY_USED: Kind(422, "The code was used already", "Every code is good once."),
        RefusalCode.CODE_WRONG: Kind(422, "The code is wrong", "`attempts_left` says how many more may be tried."),
        RefusalCode.CODE_MALFORMED: Kind(
            422, "Not a code", "The text has another form than the codes of this factor. It counted as no attempt."
        ),
        RefusalCode.DEVICE_NOT_FOUND: Kind(404, "No such trusted device", "It may have been removed already."),
        RefusalCode.EMAIL_NOT_VERIFIED: Kind(
            409,
            "The address is not verified",
            "Nobody has verified the account's address. Name it as `destination`: the code mailed there does.",
        ),
        RefusalCode.FACTOR_NOT_FOUND: Kind(404, "No such factor", "It may have been removed already."),
        RefusalCode.FACTOR_NOT_OFFERED: Kind(
            409, "The challenge does not offer this factor", "`factors` of the challenge lists those that it takes."
        ),
        RefusalCode.FACTOR_NOT_PENDING: Kind(409, "The factor is not pending", "It was confirmed or has expired."),
        RefusalCode.HAS_FACTORS: Kind(
            409,
            "The account has a factor",
            "Reset it first, or let the account add another one with a proof of its own.",
        ),
        RefusalCode.IDEMPOTENCY_KEY_REUSED: Kind(
            422, "The Idempotency-Key belongs to another request", "A key goes with one body: use a new one."
        ),
        RefusalCode.INTERNAL_ERROR: Kind(500, "Our fault", "It has been recorded under the `request_id`."),
        RefusalCode.KEY_MISSING: Kind(503, "A key is missing", "What was stored cannot be opened. Try again soon."),
        RefusalCode.LAST_FACTOR_REQUIRED: Kind(
            409, "The last factor of an account that must have one", "Replace it instead: enrol with `replaces`."
        ),
        RefusalCode.METHOD_NOT_ALLOWED: Kind(
            409, "The policy does not allow this method", "`methods` of the policy lists those that are allowed."
        ),
        RefusalCode.NOT_PERMITTED: Kind(
            403, "Not permitted", "Moving a tenant's factors in or out takes a permit of the operator."
        ),
        RefusalCode.NO_BACKUP_CODES: Kind(409, "There are no backup codes", "Generate them first."),
        RefusalCode.NO_FACTORS: Kind(
            409, "The account has no factors", "There is nothing that a code could stand in for: it enrols instead."
        ),
        RefusalCode.NO_MAILBOX: Kind(
            409, "No mailbox", "The account has no verified address, and this cannot be done without one."
        ),
        RefusalCode.NO_RECOVERY_KEY: Kind(
            409, "There is no recovery key", "The policy's `recovery_key` says whether one is made; generate it first."
        ),
        RefusalCode.RECIPIENT_NOT_AN_ADMIN: Kind(
            409, "The recipient is no admin", "A link to a report is mailed to an account with the role `admin` only."
        ),
        RefusalCode.NOT_A_SANDBOX: Kind(403, "Sandbox tenants only", "Use a key that begins with df_test_."),
        RefusalCode.NOT_REDEEMABLE: Kind(
            422,
            "The code cannot be redeemed",
            "It is good once, for a minute, together with the `challenge_id` that came with it. Let the person sign in "
            "again.",
        ),
        RefusalCode.NOT_LOCKED_OUT: Kind(409, "The account is not locked out", "There is nothing to unlock."),
        RefusalCode.NOT_ON_ONESELF: Kind(
            403, "Not on oneself", "An admin cannot do this to their own account. Another admin can."
        ),
        RefusalCode.PROOF_REQUIRED: Kind(
            403,
            "A fresh proof is required",
            "Give `proof`: a challenge of this account, verified within ten minutes by a factor or a backup code.",
        ),
        RefusalCode.RECOVERY_NOT_FOUND: Kind(404, "No such recovery request", "Or its link is not valid."),
        RefusalCode.RECOVERY_NOT_OFFERED: Kind(
            409, "Recovery is not offered", "The policy or the account's state rules it out. An admin can help."
        ),
        RefusalCode.RECOVERY_OVER: Kind(409, "The recovery is over", "It was executed or stopped, or has expired."),
        RefusalCode.NOTICE_EXPIRED: Kind(410, "The link has expired", "It was good for 30 days. Tell the helpdesk."),
        RefusalCode.NOTICE_NOT_FOUND: Kind(404, "No such notice", "The link comes with a notice, and is for it alone."),
        RefusalCode.REPORT_EXPIRED: Kind(
            410, "The report has expired", "It is kept for 24 hours. Ask for another one."
        ),
        RefusalCode.REPORT_NOT_FOUND: Kind(404, "No such report", "Ids of reports come from POST /v1/reports."),
        RefusalCode.REPORT_NOT_READY: Kind(
            409, "The report is still being written", "GET /v1/reports/{id} tells its progress."
        ),
        RefusalCode.REPORT_USED_UP: Kind(410, "The link is used up", "It was good for three downloads."),
        RefusalCode.SIGNATURE_WRONG: Kind(403, "The signature does not fit", "The callback was not taken in."),
        RefusalCode.THROTTLED: Kind(429, "Too many wrong codes", "Wait until Retry-After is over, then try again."),
        RefusalCode.TOO_MANY_CHALLENGES: Kind(
            429, "Too many open challenges", "Three are open: `open_challenges` names them. Finish or cancel one first."
        ),
        RefusalCode.TOO_MANY_FACTORS: Kind(409, "Too many factors", "Remove one first."),
        RefusalCode.TOO_MANY_RECOVERIES: Kind(429, "Too many recovery requests", "There were three within 30 days."),
        RefusalCode.TOO_MANY_REPORTS: Kind(
            429, "Too many reports", "Ten are being written or can still be downloaded. Use one of them."
        ),
        RefusalCode.TOO_MANY_SENDS: Kind(
            429, "Too many codes sent", "No more are sent for now. Use one that came, or another factor."
        ),
        RefusalCode.TOO_SOON: Kind(429, "Too soon", "Wait until Retry-After is over, then try again."),
        RefusalCode.TOO_MANY_WEBHOOK_ENDPOINTS: Kind(
            409, "Too many webhook endpoints", "A tenant has ten at most. Delete one that is not used any more."
        ),
        RefusalCode.WEBHOOK_DELIVERY_NOT_FOUND: Kind(
            404, "No such delivery", "Deliveries are kept for two weeks; the feed of events has all."
        ),
        RefusalCode.WEBHOOK_ENDPOINT_DISABLED: Kind(
            409, "The webhook endpoint is disabled", "Enable it first: PATCH it with `enabled: true`."
        ),
        RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND: Kind(404, "No such webhook endpoint", "It may have been deleted."),
        RefusalCode.WEBHOOK_URL_REFUSED: Kind(
            422,
            "Nothing is sent to this address",
            "Give an https address that the internet can reach, without a name and a password in front of the host. "
            "Sandbox tenants of a development server may give http addresses of the server's own machine.",
        ),
        RefusalCode.UNTIL_OUT_OF_RANGE: Kind(
            422,
            "The instant is out of range",
            "An exemption or an extension ends in the future, and within 366 days.",
        ),
        RefusalCode.WOULD_LOCK_OUT_ADMINS: Kind(
            409,
            "The policy would lock out every admin",
            "No active admin has a second factor, signs in through SSO or is exempt. Let one enrol first, or say "
            "`force: true`.",
        ),
        RefusalCode.VERSION_OUTDATED: Kind(
            409, "Something newer is known", "The account has a higher `version` than this one. It stays."
        ),
        RefusalCode.UNAVAILABLE: Kind(
            503,
            "Not available right now",
            "No verdict was reached in time. Try again with the same Idempotency-Key. Let nobody in without one.",
        ),
        HttpCode.BODY_TOO_LARGE: Kind(413, "The body is too large", "At most 64 KiB are read."),
        HttpCode.COUNTRY_NOT_ALLOWED: Kind(
            422, "SMS do not go to this country", "`countries` of the tenant lists where SMS may go."
        ),
        HttpCode.FORBIDDEN_SCOPE: Kind(403, "The key may not do this", "The API key lacks the scope of this call."),
        HttpCode.HTTP_METHOD_NOT_ALLOWED: Kind(405, "Not with this method", "`Allow` names the methods of this path."),
        HttpCode.IDEMPOTENCY_KEY_INVALID: Kind(
            400, "The Idempotency-Key is not usable", "It has 1 to 255 visible ASCII characters."
        ),
        HttpCode.IDEMPOTENCY_KEY_MISSING: Kind(
            400, "An Idempotency-Key is required", "Send a new random one with each request, and the same with a retry."
        ),
        HttpCode.KEY_EXPIRED: Kind(401, "The API key has expired", "Use one that is valid, or make another."),
        HttpCode.KEY_NOT_FOUND: Kind(404, "No such API key", "It may have been revoked already."),
        HttpCode.MALFORMED_JSON: Kind(400, "Not JSON", "The body cannot be read as JSON in UTF-8."),
        HttpCode.NOT_FOUND: Kind(404, "Nothing here", "See /openapi.json for what there is."),
        HttpCode.PHONE_NOT_MOBILE: Kind(
            422, "Not a mobile number", "SMS cannot reach landlines and numbers of services. Give a mobile number."
        ),
        HttpCode.PROMPT_KIND_NOT_SERVED: Kind(
            422, "There is no page of this kind", "This server has pages of the kinds that docs/api.md lists, so far."
        ),
        HttpCode.RETURN_URL_NOT_ALLOWED: Kind(
            422,
            "Nobody is sent back to this address",
            "`return_url` is one of the tenant's `return_urls`, character for character.",
        ),
        HttpCode.REQUEST_REFUSED: Kind(400, "The request cannot be read", "Its HTTP is not as it should be."),
        HttpCode.TENANT_SUSPENDED: Kind(403, "The tenant is suspended", "Ask the operator of this service."),
        HttpCode.TOO_MANY_KEYS: Kind(409, "Too many API keys", "Revoke one that is not used any more."),
        HttpCode.UNAUTHORIZED: Kind(401, "No valid API key", "Send `Authorization: Bearer` with a key of your tenant."),
        HttpCode.UNSUPPORTED_MEDIA_TYPE: Kind(415, "Not with this Content-Type", "Send application/json."),
        HttpCode.VALIDATION_FAILED: Kind(
            422, "The request is not as it should be", "`errors` points at each fault; see /openapi.json."
        ),
    }
)

BY_SLUG: Mapping[str, tuple[Code, Kind]] = MappingProxyType(
    {code.replace("_", "-"): (code, kind) for code, kind in KINDS.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a body; `pointer` is a JSON pointer (RFC 6901), `code` a machine word."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem on its way to the caller. `retry_after` is in seconds."""

    code: Code
    detail: str | None = None
    faults: tuple[Fault, ...] = ()
    retry_after: int | None = None
    figures: Mapping[str, object] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return KINDS[self.code].status

    @property
    def retry_after_header(self) -> int | None:
        """Seconds for ``Retry-After``; every 429 and 503 has some."""
        match self.status:
            case HTTPStatus.SERVICE_UNAVAILABLE:
                return self.retry_after or RETRY_UNAVAILABLE
            case HTTPStatus.TOO_MANY_REQUESTS:
                return self.retry_after or RETRY_LIMITED
            case _:
                return None

    def document(self, settings: GatewaySettings, request_id: str) -> dict[str, object]:
        """The document's members (RFC 9457, 3.1 and 3.2)."""
        kind = KINDS[self.code]
        document: dict[str, object] = {
            "type": f"{settings.public_url}/problems/{self.code.replace('_', '-')}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail or kind.text,
            "code": self.code.value,
            "request_id": request_id,
        }
        if self.faults:
            document["errors"] = [
                {"pointer": fault.pointer, "code": fault.code, "detail": fault.detail} for fault in self.faults
            ]
        return document | dict(self.figures)


def of_refusal(refusal: Refusal) -> Problem:
    """What a deciding service refused, with the figures that help the person on."""
    figures = refusal.model_dump(mode="json", exclude_none=True, exclude={"code", "detail"})
    detail = refusal.detail or _with_figures(refusal)
    return Problem(code=refusal.code, detail=detail, retry_after=refusal.retry_after_seconds, figures=figures)


def _with_figures(refusal: Refusal) -> str | None:
    """The words of a refusal whose figure is what a person wants to know."""
    match refusal:
        case Refusal(code=RefusalCode.CODE_WRONG, attempts_left=0):
            return "No more codes may be tried. Start another login."
        case Refusal(code=RefusalCode.CODE_WRONG, attempts_left=int(left)):
            return "One more code may be tried." if left == 1 else f"{left} more codes may be tried."
        case Refusal(code=RefusalCode.CLOCK_OFF, minutes_off=int(minutes)):
            span = "a minute" if abs(minutes) == 1 else f"{abs(minutes)} minutes"
            return f"The device's clock is {span} {'ahead' if minutes > 0 else 'behind'}. Set it, and try a new code."
        case _:
            return None


def invalid(pointer: str, code: str, detail: str) -> Problem:
    """A single fault."""
    return Problem(code=HttpCode.VALIDATION_FAILED, faults=(Fault(pointer=pointer, code=code, detail=detail),))
