"""Refusals that go together, for the table of routes."""

from shared.contracts.replies import RefusalCode

NO_ACCOUNT = (RefusalCode.ACCOUNT_NOT_FOUND,)
AT_LARGE = (RefusalCode.ACTOR_NOT_AN_ADMIN, RefusalCode.ACTOR_PROOF_REQUIRED)  # of an admin, on no account
BY_ADMIN = (*AT_LARGE, RefusalCode.NOT_ON_ONESELF)
BY_TWO_ADMINS = (*BY_ADMIN, RefusalCode.APPROVER_REQUIRED)
NOT_ANSWERABLE = (
    RefusalCode.CHALLENGE_NOT_OPEN,
    RefusalCode.CHALLENGE_EXPIRED,
    RefusalCode.CHALLENGE_EXHAUSTED,
)
NOT_OPEN = (RefusalCode.CHALLENGE_NOT_FOUND, *NOT_ANSWERABLE)
WRONG_CODE = (
    RefusalCode.CLOCK_OFF,
    RefusalCode.CODE_ALREADY_USED,
    RefusalCode.CODE_MALFORMED,
    RefusalCode.CODE_WRONG,
    RefusalCode.THROTTLED,
)
NOT_SENT = (RefusalCode.TOO_MANY_SENDS, RefusalCode.TOO_SOON)
