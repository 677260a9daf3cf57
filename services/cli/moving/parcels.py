"""A record as commands: addresses sealed to the notifier, seeds and hashes to otp_worker, before anything leaves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from services.cli.moving.faults import Fault
from services.cli.moving.records import Enforcement, Proved, Record
from services.cli.operator import actor
from services.gateway.api.auth import KeyScope
from services.gateway.api.contacts import Contacts
from services.gateway.api.translation import put_account
from services.gateway.problems import Problem
from shared.contracts.commands import ImportedAccount, ImportedPerson, MovedEnforcement
from shared.contracts.types import Contact, FactorType, MovedDestination
from shared.crypto.keyring import KeyRing
from shared.crypto.sealing import seal, typed_place
from shared.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is asked of the services for one line; `raw` is the line, by which the question is known again."""

    number: int
    raw: str = field(repr=False)
    account: ImportedAccount
    person: ImportedPerson | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Packer:
    """Seals for one tenant and one import. It is a speaker whose word counts like that of a key with every scope."""

    tenant_id: UUID
    is_sandbox: bool
    contacts: Contacts
    typed: KeyRing  # seal.otp_worker
    digests: KeyRing  # digest.gateway

    @property
    def actor(self) -> str:
        """The operator."""
        return actor()

    def may(self, scope: KeyScope) -> bool:
        """Everything."""
        return scope in KeyScope

    def pack(self, record: Record, number: int, raw: str) -> Parcel | list[Fault]:
        """The commands for the line of that number, or what is wrong with its addresses."""
        account = put_account(record.account, record.account_id, self, self.contacts)
        destinations = list(self._destinations(record))
        faults = [each for each in destinations if isinstance(each, Fault)]
        if isinstance(account, Problem):
            return [*_faults(account, "phone"), *faults]  # of a number there may be no pointer
        if faults:
            return faults
        proved = tuple(each for each in destinations if isinstance(each, MovedDestination))
        return Parcel(
            number=number,
            raw=raw,
            account=ImportedAccount(
                account_id=record.account_id,
                change=account.model_copy(update={"is_import": True}),
                enforcement=_moved(record.enforcement),
            ),
            person=self._person(record, proved) if record.has_factors else None,
        )

    def _person(self, record: Record, proved: tuple[MovedDestination, ...]) -> ImportedPerson:
        place = typed_place(self.tenant_id, record.account_id, "import")
        return ImportedPerson(
            account_id=record.account_id,
            destinations=proved,
            secrets=seal(self.typed, Secret(record.secrets.model_dump_json()), place),
        )

    def _destinations(self, record: Record) -> Iterator[MovedDestination | Fault]:
        yield from self._each("sms", FactorType.SMS, record, record.sms)
        yield from self._each("email_factor", FactorType.EMAIL, record, record.emails)

    def _each(
        self, name: str, kind: FactorType, record: Record, proved: Iterable[Proved]
    ) -> Iterator[MovedDestination | Fault]:
        for each in proved:
            contact = self._contact(kind, record.account_id, each.to, name)
            if isinstance(contact, Problem):
                yield from _faults(contact, name)
            else:
                yield MovedDestination(type=kind, contact=contact, name=each.name)

    def _contact(self, kind: FactorType, account_id: str, to: str, name: str) -> Contact | Problem:
        if kind is FactorType.EMAIL:
            return self.contacts.email(self.tenant_id, account_id, to, pointer=f"/{name}")
        return self.contacts.phone(self.tenant_id, account_id, to, pointer=f"/{name}", is_sandbox=self.is_sandbox)


def _moved(enforcement: Enforcement | None) -> MovedEnforcement | None:
    return MovedEnforcement(**enforcement.model_dump()) if enforcement is not None else None


def _faults(problem: Problem, name: str) -> list[Fault]:
    if not problem.faults:
        return [Fault(name, problem.code.value)]
    return [Fault(each.pointer.strip("/") or name, each.code) for each in problem.faults]
