"""What is known of the accounts that log in, read under their locks."""

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.otp_worker.adapters.sealed import open_typed
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account, AccountState
from services.otp_worker.domain.backup_code import CodesLeft
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.factor import Factor, offered
from services.otp_worker.domain.trusted_device import TrustedDevice, is_trusted
from services.otp_worker.queries.accounts import Key
from services.otp_worker.queries.people import load_visitors
from services.otp_worker.queries.trusted_devices import find_devices
from shared.contracts.commands import StartLogin
from shared.contracts.envelope import Envelope
from shared.crypto.digests import token_digest
from shared.db.account_lock import lock_accounts
from shared.messaging.unit_of_work import UnitOfWork

Login = Envelope[StartLogin]


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known of the account when it logs in."""

    account: Account
    factors: Sequence[Factor]
    stored: AccountState
    open_challenges: Sequence[Challenge]
    codes_left: CodesLeft
    device: TrustedDevice | None

    @functools.cached_property
    def offered(self) -> list[Factor]:
        """What a challenge of it offers."""
        return offered(self.factors, self.account.policy.methods)

    @property
    def is_device_trusted(self) -> bool:
        """Whether the login brought a token that holds."""
        account = self.account
        return self.device is not None and is_trusted(
            self.device,
            factor_epoch=account.state.factor_epoch,
            password_changed_at=account.password_changed_at,
            methods=account.policy.methods,
            trusted_device_days=account.policy.trusted_device_days,
            now=account.now,
        )


async def load_situations(logins: Sequence[Login], uow: UnitOfWork, deps: Deps) -> dict[Key, Situation | None]:
    """The situations of those accounts whose lock we have; None: policy knows no such account."""
    locked = await lock_accounts(uow.conn, [key_of(login) for login in logins])
    keys = sorted(locked)
    if not keys:
        return {}
    known = await load_visitors(uow.conn, keys)
    decided_now = _first_of_each(logins)
    # of the logins decided now and no other: else a thief's password would ride on its owner's trusted device
    tokens = [(key, token) for key in keys if (token := _token(decided_now[key], deps))]
    devices = await find_devices(uow.conn, tokens) if tokens else {}
    return {
        key: Situation(
            account=_with_password_change(known.accounts[key], decided_now[key]),
            stored=known.accounts[key].state,
            factors=known.factors[key],
            open_challenges=known.open_challenges[key],
            codes_left=known.codes_left[key],
            device=devices.get(key),
        )
        if key in known.accounts
        else None
        for key in keys
    }


def _first_of_each(logins: Sequence[Login]) -> dict[Key, Login]:
    """The login of each account that is decided in this transaction; those after it are deferred."""
    first: dict[Key, Login] = {}
    for login in logins:
        first.setdefault(key_of(login), login)
    return first


def _with_password_change(account: Account, login: Login) -> Account:
    """The latest change of password that anybody told us of; a login may be faster than the event."""
    told = login.data.password_changed_at
    if told is not None and told.tzinfo is None:
        told = told.replace(tzinfo=dt.UTC)
    # a helpdesk whose clock is ahead shall not end the trusts of tomorrow
    instants = (told and min(told, account.now), account.password_changed_at)
    latest = max((at for at in instants if at is not None), default=None)
    if latest == account.password_changed_at == account.state.password_changed_at:
        return account
    return replace(account, password_changed_at=latest, state=replace(account.state, password_changed_at=latest))


def _token(login: Login, deps: Deps) -> bytes | None:
    sealed = login.data.trusted_device_token
    if sealed is None or login.account_id is None:
        return None
    token = open_typed(deps.typed, sealed, login.tenant_id, login.account_id, "trusted_device_token")
    return None if token is None else token_digest(token.reveal())


def key_of(login: Login) -> Key:
    """Whose login it is."""
    return login.tenant_id, login.account_id or ""
