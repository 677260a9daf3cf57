"""Lines on their way, many in one message: a transaction and an answer cost more than what one line is about."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from services.cli.moving.faults import Fault
from services.cli.moving.formats import Entry
from services.cli.moving.parcels import Parcel
from services.cli.moving.questions import Questions
from shared.contracts.commands import ImportAccounts, ImportFactorsOfMany
from shared.contracts.replies import ImportedAccounts, ImportedFactors, ManyImportedFactors, Refusal, RefusalCode
from shared.contracts.types import PermitId, RequestKey
from shared.crypto.digests import digest
from shared.crypto.keyring import KeyRing

MOST_LINES = 50  # in one message: logins of these accounts wait for its transaction
MOST_BYTES = 128 * 1024  # of the file; sealed they are twice as long

_FIELDS = {"enrolled_here": "totp", "too_many_factors": "totp", "key_made_here": "recovery_key"}

T = TypeVar("T")

Packed = tuple[Entry, Parcel | list[Fault]]


@dataclass(frozen=True, slots=True)
class Done:
    """One line."""

    entry: Entry
    faults: list[Fault] = field(default_factory=list)
    imported: ImportedFactors | None = None


def batches(packed: Iterable[Packed]) -> Iterator[list[Packed]]:
    """The lines in the file's order, as many together as go into one message."""
    batch: list[Packed] = []
    size = 0
    for each in packed:
        length = len(each[0].raw)
        if batch and (len(batch) == MOST_LINES or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    if batch:
        yield batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Brings in one file, in one run."""

    questions: Questions
    permit_id: PermitId
    run_id: UUID
    digests: KeyRing  # digest.gateway

    async def send(self, batch: Sequence[Packed]) -> list[Done]:
        """First the accounts, then what belongs to them: otp_worker knows an account by policy's word."""
        parcels = [each for _, each in batch if isinstance(each, Parcel)]
        refused = dict(zip(_numbers(parcels), await self._accounts(parcels), strict=True))
        with_factors = [each for each in parcels if each.person is not None and refused[each.number] is None]
        answers = dict(zip(_numbers(with_factors), await self._factors(with_factors), strict=True))
        return [_done(entry, packed, refused, answers) for entry, packed in batch]

    async def _accounts(self, parcels: Sequence[Parcel]) -> list[RefusalCode | None]:
        if not parcels:
            return []
        accounts = tuple(each.account for each in parcels)
        said = await self._ask("accounts", parcels, ImportAccounts(accounts=accounts))
        match said:
            case None:
                first, second = _halves(parcels)
                return [*await self._accounts(first), *await self._accounts(second)]
            case Refusal(code=code):
                return [code] * len(parcels)
            case _:
                return list(ImportedAccounts.model_validate(said).refused)

    async def _factors(self, parcels: Sequence[Parcel]) -> list[ImportedFactors | RefusalCode]:
        if not parcels:
            return []
        people = tuple(each.person for each in parcels if each.person is not None)
        said = await self._ask("factors", parcels, ImportFactorsOfMany(permit_id=self.permit_id, people=people))
        match said:
            case None:
                first, second = _halves(parcels)
                return [*await self._factors(first), *await self._factors(second)]
            case Refusal(code=code):
                return [code] * len(parcels)
            case _:
                found = ManyImportedFactors.model_validate(said).imported
                return [each if each is not None else RefusalCode.ACCOUNT_NOT_FOUND for each in found]

    async def _ask(
        self, what: str, parcels: Sequence[Parcel], request: ImportAccounts | ImportFactorsOfMany
    ) -> object | Refusal | None:
        """The answer, or the refusal of all. None: one of several is what cannot be done; nobody knows which."""
        is_several = len(parcels) > 1
        keyed = request.model_copy(update={"request": self._key(what, parcels)})
        said = await self.questions.ask(keyed, gives_up_on_errors=is_several)
        if is_several and isinstance(said, Refusal) and said.code is RefusalCode.INTERNAL_ERROR:
            return None
        return said

    def _key(self, what: str, parcels: Sequence[Parcel]) -> RequestKey:
        """These lines' own in this run: asked again, they are answered as the first time.

        A later run is judged anew, by what is there: a stored refusal would outlive its reason.
        """
        tenant_id = str(self.questions.tenant_id)
        return RequestKey(
            scope=f"import {what}",
            key=f"{self.run_id} {parcels[0].number}-{parcels[-1].number}",
            fingerprint=digest(self.digests, "import", tenant_id, *(each.raw for each in parcels)),
        )


def _numbers(parcels: Iterable[Parcel]) -> list[int]:
    return [each.number for each in parcels]


def _halves(all_of_them: Sequence[T]) -> tuple[Sequence[T], Sequence[T]]:
    middle = len(all_of_them) // 2
    return all_of_them[:middle], all_of_them[middle:]


def _done(
    entry: Entry,
    packed: Parcel | list[Fault],
    refused: dict[int, RefusalCode | None],
    answers: dict[int, ImportedFactors | RefusalCode],
) -> Done:
    if isinstance(packed, list):
        return Done(entry, packed)
    code = refused[entry.number]
    if code is not None:
        return Done(entry, [Fault("account_id", code.value)])
    answer = answers.get(entry.number)
    match answer:
        case None:
            return Done(entry)
        case RefusalCode():
            return Done(entry, [Fault("totp", answer.value)])
        case ImportedFactors():
            faults = [Fault(_FIELDS.get(each.value, "backup_codes"), each.value) for each in answer.refused]
            return Done(entry, faults, answer)
