"""All rows that the decisions of one transaction write: collected first, then one statement a kind.

However long the list of logins or codes, the number of statements stays the same.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from services.otp_worker.domain.account import Account, AccountState
from services.otp_worker.domain.challenge import Challenge
from services.otp_worker.domain.sending import SentCode
from services.otp_worker.domain.trusted_device import TrustedDevice
from services.otp_worker.queries.accounts import Key, save_accounts
from services.otp_worker.queries.challenges import insert_challenges, save_sends
from services.otp_worker.queries.codes import insert_codes, spend_codes
from services.otp_worker.queries.factors import burn_step, suspend_factor
from services.otp_worker.queries.redemptions import hold_challenge
from services.otp_worker.queries.trusted_devices import insert_devices, touch_devices
from services.otp_worker.queries.verdicts import Judged, Used, store_verdicts
from shared.contracts.envelope import Envelope, Message
from shared.contracts.types import ChallengeId, DeviceId, FactorId
from shared.messaging.unit_of_work import UnitOfWork


class LostUpdate(Exception):
    """A row was not as it was read, although the account was locked: nothing of the decision may stand."""


@dataclass(slots=True)
class Changes:
    """Grows while decisions are made, then is stored at once."""

    accounts: dict[Key, AccountState] = field(default_factory=dict)
    succeeded: dict[Key, AccountState] = field(default_factory=dict)
    issued: list[tuple[UUID, Challenge, int]] = field(default_factory=list)
    sends: list[tuple[UUID, Challenge]] = field(default_factory=list)
    codes: list[tuple[UUID, ChallengeId, SentCode]] = field(default_factory=list)
    judged: list[Judged] = field(default_factory=list)
    redeemable: list[tuple[UUID, ChallengeId, bytes, str | None]] = field(default_factory=list)
    used_factors: list[Used] = field(default_factory=list)
    burnt_steps: list[tuple[UUID, FactorId, int]] = field(default_factory=list)
    suspended: list[tuple[UUID, FactorId]] = field(default_factory=list)
    used_devices: list[tuple[UUID, DeviceId, dt.datetime]] = field(default_factory=list)
    devices: list[tuple[Key, TrustedDevice, bytes]] = field(default_factory=list)
    messages: list[Envelope[Message]] = field(default_factory=list)

    def say(self, messages: Iterable[Envelope[Message]]) -> None:
        """Announce these with the commit."""
        self.messages.extend(messages)

    def keep(self, account: Account, state: AccountState) -> None:
        """Write the account's row, if it changed or is not there yet."""
        self.succeeded.pop(account.key, None)
        self.accounts[account.key] = state

    def succeed(self, account: Account, state: AccountState) -> None:
        """As `keep`, of an account that changes by a right code: few columns, on the way that most logins take."""
        to_write = self.accounts if account.key in self.accounts else self.succeeded
        to_write[account.key] = state

    def state_of(self, account: Account) -> AccountState:
        """The account's row as it will be."""
        return self.accounts.get(account.key) or self.succeeded.get(account.key) or account.state

    async def store(self, uow: UnitOfWork) -> None:
        """Write everything. Raises `LostUpdate`: then all of it is rolled back."""
        await self._store_judged(uow)
        if self.accounts:
            await save_accounts(uow.conn, self.accounts)
        if self.issued:
            await insert_challenges(uow.conn, self.issued)
        if self.sends:
            await save_sends(uow.conn, self.sends)
        if self.codes:
            await insert_codes(uow.conn, self.codes)
        if self.devices:
            await insert_devices(
                uow.conn, [(key, device) for key, device, _ in self.devices], [digest for _, _, digest in self.devices]
            )
        for tenant_id, factor_id, step in self.burnt_steps:
            await burn_step(uow.conn, tenant_id, factor_id, step)
        for tenant_id, factor_id in self.suspended:
            await suspend_factor(uow.conn, tenant_id, factor_id)
        if self.used_devices:
            await touch_devices(
                uow.conn,
                [(tenant_id, device_id) for tenant_id, device_id, _ in self.used_devices],
                [at for _, _, at in self.used_devices],
            )
        uow.publish(*self.messages)

    async def _store_judged(self, uow: UnitOfWork) -> None:
        if self.judged or self.used_factors or self.succeeded:
            stored = await store_verdicts(uow.conn, self.judged, self.used_factors, self.succeeded)
            if stored != (len(self.judged), len(self.used_factors)):
                raise LostUpdate("challenge or factor")
        for tenant_id, challenge_id, digest, device in self.redeemable:
            await hold_challenge(uow.conn, tenant_id, challenge_id, digest, trusts_device=device)
        spent = [(tenant_id, each.id, at) for tenant_id, each, at in self.judged if each.verified_by and each.sends]
        if spent:
            await spend_codes(uow.conn, [(tenant_id, each) for tenant_id, each, _ in spent], [at for _, _, at in spent])
