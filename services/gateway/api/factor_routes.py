"""The calls about factors, backup codes and trusted devices."""

from services.gateway.api import answers, bodies, factors
from services.gateway.api.auth import KeyScope
from services.gateway.api.refusals import NO_ACCOUNT, NOT_SENT, WRONG_CODE
from services.gateway.api.route import Route
from services.gateway.problems import HttpCode
from shared.contracts import replies
from shared.contracts.replies import RefusalCode

_ACCOUNT = "/v1/accounts/{account_id}"
_FACTOR = "/v1/accounts/{account_id}/factors/{factor_id}"

FACTOR_ROUTES = (
    Route(
        method="POST",
        path=f"{_ACCOUNT}/factors",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.enrol,
        summary="Begin an enrolment",
        body=bodies.FactorBody,
        answer=answers.Enrolment,
        status=201,
        is_idempotent=True,
        refusals=(
            *NO_ACCOUNT,
            RefusalCode.METHOD_NOT_ALLOWED,
            RefusalCode.PROOF_REQUIRED,
            RefusalCode.EMAIL_NOT_VERIFIED,
            RefusalCode.TOO_MANY_FACTORS,
            *NOT_SENT,
            HttpCode.PHONE_NOT_MOBILE,
            HttpCode.COUNTRY_NOT_ALLOWED,
        ),
    ),
    Route(
        method="GET",
        path=f"{_ACCOUNT}/factors",
        allows=(KeyScope.FACTORS_WRITE, KeyScope.LOGINS, KeyScope.ADMIN),
        handler=factors.list_factors,
        summary="List factors",
        answer=answers.List[replies.FactorView],
        refusals=NO_ACCOUNT,
    ),
    Route(
        method="POST",
        path=f"{_FACTOR}/confirm",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.confirm,
        summary="Prove a pending factor by a code",
        body=bodies.ConfirmBody,
        answer=replies.ConfirmationAnswer,
        is_idempotent=True,
        refusals=(
            RefusalCode.ACCOUNT_INACTIVE,
            RefusalCode.FACTOR_NOT_FOUND,
            RefusalCode.FACTOR_NOT_PENDING,
            RefusalCode.CHALLENGE_EXHAUSTED,
            *WRONG_CODE,
        ),
    ),
    Route(
        method="POST",
        path=f"{_FACTOR}/send",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.send,
        summary="Send the code of a pending factor again",
        body=bodies.Empty,
        answer=replies.FactorView,
        status=202,
        is_idempotent=True,
        refusals=(
            RefusalCode.ACCOUNT_INACTIVE,
            RefusalCode.FACTOR_NOT_FOUND,
            RefusalCode.FACTOR_NOT_PENDING,
            *NOT_SENT,
        ),
    ),
    Route(
        method="PATCH",
        path=_FACTOR,
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.rename,
        summary="Rename a factor",
        body=bodies.RenameBody,
        answer=replies.FactorView,
        refusals=(RefusalCode.FACTOR_NOT_FOUND,),
    ),
    Route(
        method="DELETE",
        path=_FACTOR,
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.revoke,
        summary="Remove a factor",
        query=bodies.ProofQuery,
        answer=replies.FactorView,
        refusals=(RefusalCode.FACTOR_NOT_FOUND, RefusalCode.PROOF_REQUIRED, RefusalCode.LAST_FACTOR_REQUIRED),
    ),
    Route(
        method="POST",
        path=f"{_ACCOUNT}/backup-codes",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.regenerate_backup_codes,
        summary="Make new backup codes and a new recovery key, as the policy says",
        body=bodies.ProofBody,
        answer=replies.BackupCodesAnswer,
        status=201,
        is_idempotent=True,
        refusals=(*NO_ACCOUNT, RefusalCode.PROOF_REQUIRED),
    ),
    Route(
        method="POST",
        path=f"{_ACCOUNT}/backup-codes/acknowledge",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.acknowledge_backup_codes,
        summary="The person has saved the backup codes and the recovery key",
        body=bodies.Empty,
        answer=replies.BackupCodesStatus,
        is_idempotent=True,
        refusals=(*NO_ACCOUNT, RefusalCode.NO_BACKUP_CODES),
    ),
    Route(
        method="GET",
        path=f"{_ACCOUNT}/trusted-devices",
        allows=(KeyScope.FACTORS_WRITE, KeyScope.LOGINS, KeyScope.ADMIN),
        handler=factors.list_devices,
        summary="List trusted devices",
        answer=answers.List[replies.TrustedDeviceView],
        refusals=NO_ACCOUNT,
    ),
    Route(
        method="DELETE",
        path=f"{_ACCOUNT}/trusted-devices",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.distrust_all,
        summary="End the trust of every device",
        answer=replies.RevokedDevices,
        refusals=NO_ACCOUNT,
    ),
    Route(
        method="DELETE",
        path=f"{_ACCOUNT}/trusted-devices/{{device_id}}",
        allows=(KeyScope.FACTORS_WRITE,),
        handler=factors.distrust,
        summary="End the trust of one device",
        answer=replies.RevokedDevices,
        refusals=(RefusalCode.DEVICE_NOT_FOUND,),
    ),
)
