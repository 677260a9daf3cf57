"""The calls about an account and its recovery."""

from services.gateway.api import accounts, answers, bodies, enforcement, personal_data, policy_bodies, recoveries
from services.gateway.api.auth import KeyScope, May
from services.gateway.api.refusals import BY_ADMIN, NO_ACCOUNT
from services.gateway.api.route import Route
from services.gateway.problems import HttpCode
from shared.contracts import replies
from shared.contracts.replies import RefusalCode

_ACCOUNT = "/v1/accounts/{account_id}"
_RECOVERY = "/v1/accounts/{account_id}/recovery"

ACCOUNT_ROUTES = (
    Route(
        method="PUT",
        path=_ACCOUNT,
        allows=(KeyScope.ACCOUNTS_WRITE,),
        handler=accounts.put,
        summary="Create or change an account",
        body=bodies.AccountBody,
        answer=replies.AccountView,
        refusals=(RefusalCode.ACCOUNT_ERASED, HttpCode.PHONE_NOT_MOBILE, HttpCode.COUNTRY_NOT_ALLOWED),
    ),
    Route(
        method="DELETE",
        path=_ACCOUNT,
        allows=(KeyScope.ACCOUNTS_PRIVILEGED,),
        handler=accounts.erase,
        summary="Erase an account",
        query=bodies.ErasureQuery,
        answer=replies.ErasureView,
        status=202,
        refusals=(*NO_ACCOUNT, RefusalCode.VERSION_OUTDATED),
    ),
    Route(
        method="GET",
        path=f"{_ACCOUNT}/export",
        allows=(KeyScope.ACCOUNTS_PRIVILEGED,),
        handler=personal_data.export,
        summary="A copy of what is known of a person",
        answer=None,
        refusals=NO_ACCOUNT,
    ),
    Route(
        method="GET",
        path=_ACCOUNT,
        allows=May.ANY_KEY,
        handler=accounts.get,
        summary="How an account stands: factors, enforcement, throttle, recovery",
        answer=answers.AccountStatus,
        refusals=NO_ACCOUNT,
    ),
    Route(
        method="GET",
        path="/v1/accounts",
        allows=May.ANY_KEY,
        handler=accounts.list_all,
        summary="List accounts",
        query=bodies.AccountsQuery,
        answer=answers.List[replies.AccountView],
    ),
    Route(
        method="POST",
        path=f"{_ACCOUNT}/unlock",
        allows=(KeyScope.ADMIN,),
        handler=accounts.unlock,
        summary="Let a locked-out account in for a while",
        body=bodies.UnlockBody,
        answer=replies.AccountView,
        is_idempotent=True,
        refusals=(*NO_ACCOUNT, *BY_ADMIN, RefusalCode.NOT_LOCKED_OUT),
    ),
    Route(
        method="GET",
        path=f"{_ACCOUNT}/gate",
        allows=(KeyScope.LOGINS,),
        handler=enforcement.gate,
        summary="May the account's running sessions go on",
        answer=replies.GateView,
        cache_control="private, max-age=60",
        refusals=NO_ACCOUNT,
    ),
    Route(
        method="PUT",
        path=f"{_ACCOUNT}/enforcement",
        allows=(KeyScope.ADMIN,),
        handler=enforcement.change,
        summary="Require or exempt one account, or extend its deadline",
        body=policy_bodies.EnforcementBody,
        answer=replies.AccountView,
        refusals=(*NO_ACCOUNT, *BY_ADMIN, RefusalCode.UNTIL_OUT_OF_RANGE),
    ),
    Route(
        method="DELETE",
        path=f"{_ACCOUNT}/enforcement",
        allows=(KeyScope.ADMIN,),
        handler=enforcement.clear,
        summary="Back to what the policy says",
        query=policy_bodies.EnforcementQuery,
        answer=replies.AccountView,
        refusals=(*NO_ACCOUNT, *BY_ADMIN),
    ),
    Route(
        method="GET",
        path=f"{_ACCOUNT}/timeline",
        allows=(KeyScope.AUDIT_READ,),
        handler=accounts.timeline,
        summary="Everything that happened to an account, explained",
        query=bodies.TimelineQuery,
        answer=answers.List[answers.TimelineEntry],
        refusals=NO_ACCOUNT,
    ),
)

RECOVERY_ROUTES = (
    Route(
        method="POST",
        path=_RECOVERY,
        allows=(KeyScope.LOGINS,),
        handler=recoveries.start,
        summary="A lost device: ask for recovery",
        body=bodies.RecoveryBody,
        answer=replies.RecoveryView,
        status=201,
        is_idempotent=True,
        refusals=(
            *NO_ACCOUNT,
            RefusalCode.ACCOUNT_INACTIVE,
            RefusalCode.NO_MAILBOX,
            RefusalCode.RECOVERY_NOT_OFFERED,
            RefusalCode.TOO_MANY_RECOVERIES,
            RefusalCode.TOO_SOON,
        ),
    ),
    Route(
        method="GET",
        path=_RECOVERY,
        allows=(KeyScope.LOGINS, KeyScope.ADMIN),
        handler=recoveries.get,
        summary="The newest recovery request",
        answer=replies.RecoveryView,
        refusals=(RefusalCode.RECOVERY_NOT_FOUND,),
    ),
    Route(
        method="POST",
        path=f"{_RECOVERY}/{{recovery_id}}/cancel",
        allows=(KeyScope.LOGINS, KeyScope.ADMIN),
        handler=recoveries.cancel,
        summary="Stop a recovery",
        body=bodies.CancelRecoveryBody,
        answer=replies.RecoveryView,
        is_idempotent=True,
        refusals=(*BY_ADMIN, RefusalCode.RECOVERY_NOT_FOUND, RefusalCode.RECOVERY_OVER),
    ),
    Route(
        method="POST",
        path=f"{_RECOVERY}/{{recovery_id}}/deny",
        allows=(KeyScope.ADMIN,),
        handler=recoveries.deny,
        summary="An admin refuses a recovery",
        body=bodies.DenyRecoveryBody,
        answer=replies.RecoveryView,
        is_idempotent=True,
        refusals=(*BY_ADMIN, RefusalCode.RECOVERY_NOT_FOUND, RefusalCode.RECOVERY_OVER),
    ),
)
