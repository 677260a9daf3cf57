"""An account has left: factors, codes, trusts and the data key under which its seeds lay."""

from services.otp_worker.announcements import SOURCE
from services.otp_worker.deps import Deps
from services.otp_worker.queries.accounts import load_accounts
from services.otp_worker.queries.erasures import (
    delete_account_key,
    delete_backup_codes,
    delete_challenges,
    delete_codes,
    delete_devices,
    delete_factors,
    delete_state,
)
from shared.contracts.commands import ConcludeErasure, request_scope
from shared.contracts.envelope import Envelope
from shared.contracts.events import AccountErased
from shared.db.account_lock import lock_account
from shared.messaging.answers import forget_answers, forget_scopes
from shared.messaging.outcome import Done, Outcome
from shared.messaging.unit_of_work import UnitOfWork

_ASKED_OF_CHALLENGES = ("verify", "send", "cancel")


async def erase_account(told: Envelope[AccountErased], uow: UnitOfWork, _: Deps) -> Outcome:
    """Forget it. As long as this is not done, a new account of the same id is none to us (`load_accounts`).

    One that we know is such a new account already: the news is late, and all that it was about is gone.
    """
    key = told.tenant_id, told.account_id or ""
    await lock_account(uow.conn, *key)
    if key in await load_accounts(uow.conn, [key]):
        return Done()
    challenge_ids = await delete_challenges(uow.conn, *key)
    await delete_codes(uow.conn, told.tenant_id, challenge_ids)
    await delete_factors(uow.conn, *key)
    await delete_backup_codes(uow.conn, *key)
    await delete_devices(uow.conn, *key)
    await delete_state(uow.conn, *key)
    await delete_account_key(uow.conn, *key)
    await forget_answers(uow.conn, *key)
    paths = [f"/v1/challenges/{each}/{asked}" for each in challenge_ids for asked in _ASKED_OF_CHALLENGES]
    await forget_scopes(uow.conn, told.tenant_id, [request_scope("POST", path) for path in paths])
    uow.publish(told.follow(ConcludeErasure(erasure_id=told.data.erasure_id), source=SOURCE, at=told.time))
    return Done()
