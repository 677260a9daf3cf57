"""The calls of admins about the second factor of somebody else's account."""

from services.gateway.api import admin_actions, admin_bodies
from services.gateway.api.auth import KeyScope
from services.gateway.api.refusals import BY_TWO_ADMINS, NO_ACCOUNT
from services.gateway.api.route import ProvenBy, Route
from shared.contracts import replies
from shared.contracts.replies import RefusalCode

_ACCOUNT = "/v1/accounts/{account_id}"

ADMIN_ROUTES = (
    Route(
        method="POST",
        path=f"{_ACCOUNT}/reset",
        allows=(KeyScope.ADMIN,),
        handler=admin_actions.reset,
        summary="Take an account's second factors off",
        body=admin_bodies.ResetBody,
        answer=replies.ResetAnswer,
        is_idempotent=True,
        proven_by=ProvenBy.TWO,
        refusals=(*NO_ACCOUNT, *BY_TWO_ADMINS),
    ),
    Route(
        method="POST",
        path=f"{_ACCOUNT}/recovery-codes",
        allows=(KeyScope.ADMIN,),
        handler=admin_actions.make_recovery_code,
        summary="Make a recovery code for an account",
        body=admin_bodies.RecoveryCodeBody,
        answer=replies.RecoveryCodeAnswer,
        status=201,
        is_idempotent=True,
        proven_by=ProvenBy.TWO,
        refusals=(*NO_ACCOUNT, *BY_TWO_ADMINS, RefusalCode.ACCOUNT_INACTIVE, RefusalCode.NO_FACTORS),
    ),
)
