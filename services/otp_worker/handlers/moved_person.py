"""What an import brings of one account, opened and held against what was taken over before."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.otp_worker.adapters.foreign_codes import import_digest, is_known, open_moved
from services.otp_worker.deps import Deps
from services.otp_worker.domain.account import Account
from services.otp_worker.domain.factor import default_name
from services.otp_worker.domain.moving import Admission, TakenOver, admit
from services.otp_worker.domain.totp import seed_of
from services.otp_worker.handlers.locked import Locked
from shared.contracts.commands import ImportedPerson
from shared.contracts.moving import MovedCode, MovedSeed
from shared.contracts.replies import ImportedFactors
from shared.contracts.types import Contact, FactorType
from shared.crypto.keyring import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFactor:
    """A factor that was not taken over before."""

    type: FactorType
    name: str
    imported_as: str
    seed: bytes | None = field(default=None, repr=False)
    contact: Contact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCode:
    """A backup code that was not taken over before."""

    code: MovedCode
    imported_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an account did not take over before, how much it did, and what of the new may come."""

    locked: Locked
    taken: TakenOver
    factors: Sequence[NewFactor]
    codes: Sequence[NewCode]
    key: NewCode | None
    known: int
    admission: Admission

    @property
    def result(self) -> ImportedFactors:
        """What is answered."""
        return ImportedFactors(
            factors=len(self.factors),
            backup_codes=len(self.codes),
            known=self.known,
            recovery_keys=int(self.key is not None),
            refused=self.admission.refused,
        )


@dataclass(frozen=True, slots=True)
class _Marks:
    """By which it is recognised that something was taken over before: keyed digests of what it is."""

    digests: KeyRing
    account: Account
    taken: TakenOver

    def of(self, kind: str, value: str) -> str:
        """The mark of something."""
        return import_digest(self.digests, self.account.tenant_id, self.account.id, kind, value)

    def is_new(self, kind: str, value: str) -> bool:
        """Whether it was not taken over before."""
        return not is_known(self.digests, self.taken.digests, self.account.tenant_id, self.account.id, kind, value)


def judge_person(person: ImportedPerson, deps: Deps, locked: Locked, taken: TakenOver) -> Wanted:
    """What may come, under the account's lock. Raises `BrokenSeal` for what was sealed for another account."""
    account, marks = locked.account, _Marks(deps.digests, locked.account, taken)
    secrets = open_moved(deps.typed, person.secrets, account.tenant_id, account.id)
    factors = _factors(person, secrets.seeds, marks)
    codes = {code.hash: NewCode(code=code, imported_as=marks.of("code", code.hash)) for code in secrets.codes}
    new_factors = [each for key, each in factors.items() if marks.is_new(*key)]
    new_codes = [each for text, each in codes.items() if marks.is_new("code", text)]
    key = secrets.recovery_key
    new_key = (
        NewCode(code=key, imported_as=marks.of("key", key.hash))
        if key is not None and marks.is_new("key", key.hash)
        else None
    )
    admission = admit(taken, new_factors=len(new_factors), new_codes=len(new_codes), is_key_new=new_key is not None)
    return Wanted(
        locked=locked,
        taken=taken,
        factors=new_factors if admission.factors else (),
        codes=new_codes if admission.codes else (),
        key=new_key if admission.key else None,
        known=len(factors) + len(codes) - len(new_factors) - len(new_codes) + (key is not None and new_key is None),
        admission=admission,
    )


def _factors(person: ImportedPerson, seeds: Sequence[MovedSeed], marks: _Marks) -> dict[tuple[str, str], NewFactor]:
    """By kind and value: what a line says twice is one factor."""
    factors: dict[tuple[str, str], NewFactor] = {}
    for moved in seeds:
        name = moved.name or default_name(FactorType.TOTP)
        factors["totp", moved.seed] = NewFactor(
            type=FactorType.TOTP, name=name, seed=seed_of(moved.seed), imported_as=marks.of("totp", moved.seed)
        )
    for to in person.destinations:
        kind, name = to.type.value, to.name or default_name(to.type)
        factors[kind, to.contact.digest] = NewFactor(
            type=to.type, name=name, contact=to.contact, imported_as=marks.of(kind, to.contact.digest)
        )
    return factors
