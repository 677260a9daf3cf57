"""The calls about a login and its challenge."""

from services.gateway.api import answers, bodies, logins, prompt_bodies, prompt_sessions
from services.gateway.api.auth import KeyScope
from services.gateway.api.refusals import NO_ACCOUNT, NOT_OPEN, NOT_SENT, WRONG_CODE
from services.gateway.api.route import Route
from services.gateway.problems import HttpCode
from shared.contracts import replies
from shared.contracts.replies import RefusalCode

_CHALLENGE = "/v1/challenges/{challenge_id}"

LOGIN_ROUTES = (
    Route(
        method="POST",
        path="/v1/logins",
        allows=(KeyScope.LOGINS,),
        handler=logins.start,
        summary="The first factor was right: may this account in?",
        body=bodies.LoginBody,
        answer=answers.DecidedLogin,
        is_idempotent=True,
        refusals=(
            *NO_ACCOUNT,
            RefusalCode.METHOD_NOT_ALLOWED,
            RefusalCode.TOO_MANY_CHALLENGES,
            HttpCode.RETURN_URL_NOT_ALLOWED,
        ),
    ),
    Route(
        method="GET",
        path=_CHALLENGE,
        allows=(KeyScope.LOGINS,),
        handler=logins.get,
        summary="How a challenge stands",
        answer=answers.Challenge,
        refusals=(RefusalCode.CHALLENGE_NOT_FOUND,),
    ),
    Route(
        method="POST",
        path=f"{_CHALLENGE}/send",
        allows=(KeyScope.LOGINS,),
        handler=logins.send,
        summary="Send a code, or another one",
        body=bodies.SendBody,
        answer=replies.ChallengeView,
        status=202,
        is_idempotent=True,
        refusals=(
            *NOT_OPEN,
            RefusalCode.RECOVERY_OVER,
            RefusalCode.FACTOR_NOT_OFFERED,
            *NOT_SENT,
            RefusalCode.THROTTLED,
        ),
    ),
    Route(
        method="POST",
        path=f"{_CHALLENGE}/verify",
        allows=(KeyScope.LOGINS,),
        handler=logins.verify,
        summary="Is what was typed right?",
        body=bodies.VerifyBody,
        answer=replies.VerifyAnswer,
        is_idempotent=True,
        refusals=(
            *NOT_OPEN,
            *WRONG_CODE,
            RefusalCode.ACCOUNT_INACTIVE,
            RefusalCode.RECOVERY_OVER,
            RefusalCode.FACTOR_NOT_OFFERED,
            RefusalCode.NO_BACKUP_CODES,
            RefusalCode.NO_RECOVERY_KEY,
        ),
    ),
    Route(
        method="POST",
        path=f"{_CHALLENGE}/cancel",
        allows=(KeyScope.LOGINS,),
        handler=logins.cancel,
        summary="End a challenge",
        body=bodies.Empty,
        answer=replies.ChallengeView,
        is_idempotent=True,
        refusals=NOT_OPEN,
    ),
    Route(
        method="POST",
        path="/v1/prompt-sessions",
        allows=(KeyScope.LOGINS,),
        handler=prompt_sessions.create,
        summary="An address that opens a hosted page, once",
        body=prompt_bodies.PromptSessionBody,
        answer=answers.PromptSession,
        status=201,
        is_idempotent=True,
        refusals=(*NOT_OPEN, HttpCode.PROMPT_KIND_NOT_SERVED, HttpCode.RETURN_URL_NOT_ALLOWED),
    ),
    Route(
        method="POST",
        path="/v1/assertions/redeem",
        allows=(KeyScope.LOGINS,),
        handler=logins.redeem,
        summary="The person is back from a hosted page: was the challenge passed?",
        body=prompt_bodies.RedeemBody,
        answer=replies.RedeemAnswer,
        is_idempotent=True,
        refusals=(RefusalCode.NOT_REDEEMABLE,),
    ),
)
