"""One line of a file: an account, its factors and the hashes of its backup codes. docs/import.md is the description."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from services.cli.moving.faults import Fault
from services.cli.moving.seeds import read_seed
from services.gateway.api.bodies import AccountBody
from services.gateway.api.fields import Address, Body, Instant, Line
from shared.contracts.moving import OWN_SHAPE, MovedCode, MovedSecrets, MovedSeed
from shared.contracts.types import AccountId
from shared.crypto.foreign_hashes import MOST_MILLISECONDS_A_TRY, HashFault, read_hash
from shared.rules.foreign_codes import MOST_CODES, MOST_WRITINGS, is_shape

B = TypeVar("B", bound=Body)

COLUMNS = (
    "account_id",
    *AccountBody.model_fields,
    "totp",
    "sms",
    "email_factor",
    "backup_codes",
    "backup_code_shape",
    "recovery_key",
    "enforcement",
)
SEVERAL = ("totp", "sms", "email_factor", "backup_codes")  # lists; in CSV separated by a bar
MOST_FACTORS = 10

_OF_ACCOUNT = frozenset(AccountBody.model_fields)
_OF_EXPORT = frozenset({"created_at"})  # read by people; an import leaves it
_SHORT: Mapping[str, str] = MappingProxyType(
    {"totp": "seed", "sms": "to", "email_factor": "to", "backup_codes": "hash"}
)


class _Seed(Body):
    seed: Annotated[str, Field(max_length=2_000)]
    name: Line | None = None


class Proved(Body):
    """An address or number that was proved to be the person's."""

    to: Address
    name: Line | None = None


class _Code(Body):
    hash: Annotated[str, Field(max_length=2_000)]
    shape: Annotated[str, Field(max_length=100)] | None = None


class Enforcement(Body):
    """What an admin asked of or granted to the account alone, elsewhere."""

    is_individually_required: bool = False
    exempt_until: Instant | None = None
    extended_until: Instant | None = None
    must_enrol_since: Instant | None = None


class _Rest(Body):
    """What stands beside the account."""

    account_id: AccountId
    totp: tuple[_Seed, ...] = ()
    sms: tuple[Proved, ...] = ()
    email_factor: tuple[Proved, ...] = ()
    backup_codes: tuple[_Code, ...] = ()
    backup_code_shape: str | None = None
    recovery_key: _Code | None = None
    enforcement: Enforcement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A line that can be taken over, as far as it can be told here."""

    account_id: str
    account: AccountBody
    sms: Sequence[Proved] = ()
    emails: Sequence[Proved] = ()
    enforcement: Enforcement | None = None
    secrets: MovedSecrets = field(default=MovedSecrets(), repr=False)

    @property
    def has_factors(self) -> bool:
        """Whether there is more than the account."""
        secrets = self.secrets
        return bool(self.sms or self.emails or secrets.seeds or secrets.codes or secrets.recovery_key)


_OBJECT = TypeAdapter(dict[str, object])


def read_json(text: str) -> Mapping[str, object] | Fault:
    """The members of a line of JSON."""
    try:
        return _OBJECT.validate_python(json.loads(text))
    except (ValueError, RecursionError):
        return Fault("", "json_malformed")


def read_record(members: Mapping[str, object]) -> Record | list[Fault]:
    """Judge the members of a line; all faults together."""
    faults = [Fault("", "unknown_member") for name in members if name not in COLUMNS and name not in _OF_EXPORT]
    account = {name: value for name, value in members.items() if name in _OF_ACCOUNT}
    rest = {name: _listed(name, value) for name, value in members.items() if name in COLUMNS and name not in account}
    body, account_faults = _validated(AccountBody, account)
    others, other_faults = _validated(_Rest, rest)
    faults += account_faults + other_faults
    if body is None or others is None:
        return faults
    seeds = list(_seeds(others))
    codes = list(_codes(others))
    key = _key(others.recovery_key)
    faults += [each for each in (*seeds, *codes, key) if isinstance(each, Fault)]
    if len(others.totp) + len(others.sms) + len(others.email_factor) > MOST_FACTORS:
        faults.append(Fault("totp", "too_many_factors"))
    if faults:
        return faults
    return Record(
        account_id=others.account_id,
        account=body,
        sms=others.sms,
        emails=others.email_factor,
        enforcement=others.enforcement,
        secrets=MovedSecrets(
            seeds=tuple(each for each in seeds if isinstance(each, MovedSeed)),
            codes=tuple(each for each in codes if isinstance(each, MovedCode)),
            recovery_key=key if isinstance(key, MovedCode) else None,
        ),
    )


def _listed(name: str, value: object) -> object:
    """A text where an object could stand is its main member."""
    if name not in SEVERAL or not isinstance(value, list):
        return value
    return [{_SHORT[name]: each} if isinstance(each, str) else each for each in value]


def _validated(model: type[B], members: Mapping[str, object]) -> tuple[B | None, list[Fault]]:
    try:
        return model.model_validate(members), []
    except ValidationError as error:
        found = error.errors(include_input=False, include_context=False, include_url=False)
        return None, [_fault(each["loc"], each["type"], each["msg"]) for each in found]


def _fault(place: tuple[int | str, ...], kind: str, message: str) -> Fault:
    name = str(place[0]) if place and place[0] in COLUMNS else ""
    if kind == "extra_forbidden":
        return Fault(name, "unknown_member")
    return Fault(name, kind, message.removeprefix("Value error, "))


def _seeds(others: _Rest) -> Iterator[MovedSeed | Fault]:
    for each in others.totp:
        seed = read_seed(each.seed)
        yield seed if isinstance(seed, Fault) else MovedSeed(seed=seed, name=each.name)


def _codes(others: _Rest) -> Iterator[MovedCode | Fault]:
    """Recognised and priced: whoever tries one sets off a comparison with each."""
    if len(others.backup_codes) > MOST_CODES:
        yield Fault("backup_codes", "too_many_codes")
        return
    milliseconds = 0.0
    for each in others.backup_codes:
        shape = each.shape if each.shape is not None else others.backup_code_shape
        hashed = read_hash(each.hash)
        if shape is not None and not is_shape(shape):
            yield Fault("backup_code_shape", "shape_invalid")
        elif isinstance(hashed, HashFault):
            yield Fault("backup_codes", hashed.value)
        else:
            milliseconds += hashed.milliseconds * (1 if shape is not None else MOST_WRITINGS)
            yield MovedCode(hash=each.hash, shape=shape)
    if milliseconds > MOST_MILLISECONDS_A_TRY:
        yield Fault("backup_codes", "hashes_too_costly")


def _key(given: _Code | None) -> MovedCode | Fault | None:
    """A recovery key is checked as one of ours, by its slot: only another Deskfactor has such a one."""
    if given is None:
        return None
    is_ours = given.shape == OWN_SHAPE and given.hash.startswith("$argon2id$")
    if not is_ours or isinstance(read_hash(given.hash), HashFault):
        return Fault("recovery_key", "key_unknown")
    return MovedCode(hash=given.hash, shape=given.shape)
