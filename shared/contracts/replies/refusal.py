"""Why a request was not done."""

import datetime as dt
import enum

from shared.contracts.types import ChallengeId, Value


class RefusalCode(enum.StrEnum):
    """Why a request was not done. The gateway has one problem document for each (`services/gateway/problems.py`)."""

    ACCOUNT_NOT_FOUND = "account_not_found"
    ACCOUNT_INACTIVE = "account_inactive"
    ACCOUNT_ERASED = "account_erased"  # at this version, or a later one
    ACTOR_NOT_AN_ADMIN = "actor_not_an_admin"
    ACTOR_PROOF_REQUIRED = "actor_proof_required"
    ALREADY_ANSWERED = "already_answered"  # the answer held a secret, whose ten minutes are over
    APPROVER_REQUIRED = "approver_required"
    CHALLENGE_NOT_FOUND = "challenge_not_found"
    CHALLENGE_NOT_OPEN = "challenge_not_open"  # verified, redeemed or cancelled already
    CHALLENGE_EXPIRED = "challenge_expired"
    CHALLENGE_EXHAUSTED = "challenge_exhausted"
    CLOCK_TOO_FAR = "clock_too_far"  # of a sandbox
    CLOCK_OFF = "clock_off"  # right code of another time; `minutes_off`
    CODE_ALREADY_USED = "code_already_used"
    CODE_WRONG = "code_wrong"  # `attempts_left`
    CODES_UNSAVED = "codes_unsaved"  # nobody said that the codes shown before activation are saved; nothing was judged
    CODE_MALFORMED = "code_malformed"  # could not be opened or has another form; counts as no attempt
    DEVICE_NOT_FOUND = "device_not_found"
    EMAIL_NOT_VERIFIED = "email_not_verified"
    FACTOR_NOT_FOUND = "factor_not_found"
    FACTOR_NOT_OFFERED = "factor_not_offered"
    FACTOR_NOT_PENDING = "factor_not_pending"
    HAS_FACTORS = "has_factors"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused"
    INTERNAL_ERROR = "internal_error"
    KEY_MISSING = "key_missing"  # a key ring lacks a key: 503, never "no second factor"
    LAST_FACTOR_REQUIRED = "last_factor_required"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOTICE_EXPIRED = "notice_expired"  # its link "this was not me" was good for 30 days
    NOTICE_NOT_FOUND = "notice_not_found"
    NOT_PERMITTED = "not_permitted"  # no operator did, or the permit's time is over
    NO_BACKUP_CODES = "no_backup_codes"
    NO_FACTORS = "no_factors"
    NO_MAILBOX = "no_mailbox"
    NO_RECOVERY_KEY = "no_recovery_key"
    NOT_REDEEMABLE = "not_redeemable"  # the code is wrong, used or late, or not of this challenge or tenant
    NOT_A_SANDBOX = "not_a_sandbox"
    NOT_LOCKED_OUT = "not_locked_out"
    NOT_ON_ONESELF = "not_on_oneself"
    PROOF_REQUIRED = "proof_required"
    RECIPIENT_NOT_AN_ADMIN = "recipient_not_an_admin"  # whom a link to a report is to be mailed to
    RECOVERY_NOT_FOUND = "recovery_not_found"
    RECOVERY_NOT_OFFERED = "recovery_not_offered"
    RECOVERY_OVER = "recovery_over"  # executed, cancelled, denied or expired already
    REPORT_EXPIRED = "report_expired"
    REPORT_NOT_FOUND = "report_not_found"
    REPORT_NOT_READY = "report_not_ready"  # `retry_after_seconds`
    REPORT_USED_UP = "report_used_up"  # its link was good three times
    SIGNATURE_WRONG = "signature_wrong"
    THROTTLED = "throttled"  # `retry_after_seconds`
    TOO_MANY_CHALLENGES = "too_many_challenges"
    TOO_MANY_FACTORS = "too_many_factors"
    TOO_MANY_RECOVERIES = "too_many_recoveries"
    TOO_MANY_REPORTS = "too_many_reports"
    TOO_MANY_SENDS = "too_many_sends"
    TOO_MANY_WEBHOOK_ENDPOINTS = "too_many_webhook_endpoints"
    TOO_SOON = "too_soon"  # `retry_after_seconds`
    UNTIL_OUT_OF_RANGE = "until_out_of_range"  # past, or more than a year ahead
    VERSION_OUTDATED = "version_outdated"  # something newer is known of the account
    UNAVAILABLE = "unavailable"  # the deciding service cannot reach its database
    WEBHOOK_DELIVERY_NOT_FOUND = "webhook_delivery_not_found"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint_disabled"
    WEBHOOK_ENDPOINT_NOT_FOUND = "webhook_endpoint_not_found"
    WEBHOOK_URL_REFUSED = "webhook_url_refused"
    WOULD_LOCK_OUT_ADMINS = "would_lock_out_admins"


class Refusal(Value):
    """A refusal and the figures that help the person on."""

    code: RefusalCode
    detail: str | None = None  # in addition to the problem's own text; no input is echoed
    attempts_left: int | None = None
    retry_after_seconds: int | None = None
    next_send_at: dt.datetime | None = None
    minutes_off: int | None = None
    open_challenges: tuple[ChallengeId, ...] | None = None  # of `too_many_challenges`: one may be cancelled
