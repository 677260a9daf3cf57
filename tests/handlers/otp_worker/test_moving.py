"""Factors and backup codes from another system: good at once, and never twice; and a tenant's own copy."""

import base64
import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import bcrypt
import pytest
from pyrage import decrypt, x25519

from services.otp_worker.domain.totp import base32, seed_of, step_at
from services.otp_worker.handlers.export import PAGE
from shared.contracts import events
from shared.contracts.commands import (
    ExportAccounts,
    ImportedPerson,
    ImportFactors,
    ImportFactorsOfMany,
    ReadSecurity,
    RegenerateBackupCodes,
    RevokeFactor,
)
from shared.contracts.moving import MovedCode, MovedSecrets, MovedSeed
from shared.contracts.policy import Policy, RecoveryKey
from shared.contracts.types import ChallengeId, FactorType, MovedDestination, PermitId, Purpose
from shared.crypto.foreign_hashes import ForeignHash, read_hash
from shared.crypto.sealing import contact_place, seal, typed_place
from shared.ids import new_id
from shared.secret import Secret
from tests.handlers.otp_worker.conftest import ANN, STEP, Verifier, contact

SHORT_SEED = base32(b"ten bytes!")
SEED = base32(b"twenty bytes of seed")
CODES = ("k7fq-29xw", "zr4h-77ab")
SHAPE = "xxxx-xxxx"


def bcrypted(code: str) -> str:
    """As another system would have kept it."""
    return bcrypt.hashpw(code.encode(), bcrypt.gensalt(4)).decode()


HASHES = tuple(bcrypted(code) for code in CODES)


async def permit(verifier: Verifier, *, kind: str = "import", recipient: str = "age1", seconds: int = 3600) -> PermitId:
    """The operator lets it happen."""
    permit_id = PermitId(new_id())
    await verifier.admin.execute(
        """
        INSERT INTO otp.permits (tenant_id, permit_id, kind, recipient, actor, expires_at)
        VALUES ($1, $2, $3, $4, 'operator:root', now() + make_interval(secs => $5))
        """,
        verifier.tenant_id,
        permit_id,
        kind,
        recipient if kind == "export" else None,
        seconds,
    )
    return permit_id


def moved(
    verifier: Verifier,
    permit_id: UUID,
    *seeds: str,
    hashes: tuple[str, ...] = (),
    shape: str | None = SHAPE,
    sms: str | None = None,
    of: str = ANN,
) -> ImportFactors:
    """What the command line sends of one account."""
    secrets = MovedSecrets(
        seeds=tuple(MovedSeed(seed=seed) for seed in seeds),
        codes=tuple(MovedCode(hash=each, shape=shape) for each in hashes),
    )
    return ImportFactors(
        permit_id=PermitId(permit_id),
        destinations=(MovedDestination(type=FactorType.SMS, contact=contact(sms)),) if sms else (),
        secrets=seal(
            verifier.deps.typed, Secret(secrets.model_dump_json()), typed_place(verifier.tenant_id, of, "import")
        ),
    )


def shown(seed: str, step: int) -> str:
    """What the phone shows: RFC 4226, 5.3."""
    mac = hmac.digest(seed_of(seed), step.to_bytes(8, "big"), "sha1")
    at = mac[-1] & 0xF
    return f"{(int.from_bytes(mac[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


async def step_up(verifier: Verifier, seed: str = SEED) -> ChallengeId:
    """A proof by an imported authenticator, two steps on."""
    now = await verifier.move(2 * STEP)
    challenge = await verifier.challenge(purpose=Purpose.STEP_UP)
    await verifier.passed(challenge.id, shown(seed, step_at(now)))
    return challenge.id


@pytest.mark.parametrize("seed", [SHORT_SEED, SEED])
async def test_the_phone_that_somebody_has_goes_on_working(verifier: Verifier, seed: str) -> None:
    """Also with 80 bits, which nobody would make today and many have. Nobody is written to: nothing is new to them."""
    done = await verifier.data(moved(verifier, await permit(verifier), seed))
    assert (done["factors"], done["backup_codes"], done["refused"]) == (1, 0, [])
    code = shown(seed, step_at(await verifier.now()))
    await verifier.passed((await verifier.challenge()).id, code)
    again = await verifier.verify((await verifier.challenge()).id, code)
    assert again.code == "code_already_used"
    [confirmed] = await verifier.said(events.FactorConfirmed)
    assert (confirmed.data.is_first, confirmed.data.is_imported, confirmed.account_id) == (True, True, ANN)
    assert await verifier.notices() == []


async def test_several_factors_of_an_account_come_together(verifier: Verifier) -> None:
    """Two authenticators and a phone; the requirement is met once."""
    await verifier.data(moved(verifier, await permit(verifier), SHORT_SEED, SEED, sms="work-phone"))
    security = await verifier.data(ReadSecurity())
    assert [each["type"] for each in security["factors"]] == ["totp", "totp", "sms"]
    assert [each.data.is_first for each in await verifier.said(events.FactorConfirmed)] == [True, False, False]


async def test_a_code_on_paper_is_good_once_however_it_is_typed(verifier: Verifier) -> None:
    """The paper was printed by another system; the hand that types it is the same."""
    await verifier.data(moved(verifier, await permit(verifier), SEED, hashes=HASHES))
    [imported] = await verifier.said(events.BackupCodesImported)
    assert imported.data.count == 2
    answer = await verifier.passed((await verifier.challenge()).id, "K7FQ 29XW", kind="backup_code")
    assert answer.backup_codes_left == 1
    again = await verifier.verify((await verifier.challenge()).id, CODES[0], kind="backup_code")
    assert again.code == "code_already_used"
    assert "backup_code_used" in {name for name, _ in await verifier.notices()}
    await verifier.passed((await verifier.challenge()).id, CODES[1].replace("-", ""), kind="backup_code")


async def test_without_a_shape_the_usual_ways_of_writing_are_tried(verifier: Verifier) -> None:
    """A file does not always say how the codes were written."""
    hashes = (hashlib.sha512(b"K7FQ29XW").hexdigest(), bcrypted("zr4h-77ab"))
    await verifier.data(moved(verifier, await permit(verifier), SEED, hashes=hashes, shape=None))
    await verifier.passed((await verifier.challenge()).id, "k7fq-29xw", kind="backup_code")
    await verifier.passed((await verifier.challenge()).id, "zr4h-77ab", kind="backup_code")


async def test_wrong_ones_count_like_wrong_codes_of_ours(verifier: Verifier) -> None:
    """Short codes of elsewhere are easier to guess than ours, not less guarded."""
    await verifier.data(moved(verifier, await permit(verifier), SEED, hashes=HASHES))
    for _ in range(2):
        challenge = await verifier.challenge()
        answers = [await verifier.verify(challenge.id, "aaaa-aaaa", kind="backup_code") for _ in range(5)]
        assert [answer.code for answer in answers] == ["code_wrong"] * 5
    closed = await verifier.verify((await verifier.challenge()).id, CODES[0], kind="backup_code")
    assert closed.code == "throttled"


async def test_new_codes_void_those_from_elsewhere(verifier: Verifier) -> None:
    """From the first own set on nothing of the old system is looked at any more."""
    permit_id = await permit(verifier)
    await verifier.data(moved(verifier, permit_id, SEED, hashes=HASHES))
    proof = await step_up(verifier)
    made = await verifier.data(RegenerateBackupCodes(proof=proof))
    old = await verifier.verify((await verifier.challenge()).id, CODES[0], kind="backup_code")
    assert old.code == "code_malformed"
    await verifier.passed((await verifier.challenge()).id, made["backup_codes"][0], kind="backup_code")
    later = await verifier.data(moved(verifier, permit_id, hashes=(bcrypted("other-one"),), shape=None))
    assert (later["backup_codes"], later["refused"]) == (0, ["codes_made_here"])


async def test_the_same_file_read_again_brings_nothing_back(verifier: Verifier) -> None:
    """A phone that its owner removed, because it was stolen, must not return with next week's run."""
    permit_id = await permit(verifier)
    await verifier.data(moved(verifier, permit_id, SHORT_SEED, SEED, hashes=HASHES))
    await verifier.passed((await verifier.challenge()).id, CODES[0], kind="backup_code")
    proof = await step_up(verifier, SHORT_SEED)
    stolen = next(each for each in (await verifier.data(ReadSecurity()))["factors"] if each["last_used_at"] is None)
    await verifier.data(RevokeFactor(factor_id=stolen["id"], proof=proof))
    again = await verifier.data(moved(verifier, await permit(verifier), SHORT_SEED, SEED, hashes=HASHES))
    assert again == {"factors": 0, "backup_codes": 0, "known": 4, "recovery_keys": 0, "refused": []}
    security = await verifier.data(ReadSecurity())
    assert (len(security["factors"]), security["backup_codes"]["codes_left"]) == (1, 1)


async def test_what_was_forgotten_is_added_by_a_later_file(verifier: Verifier) -> None:
    """A second run with more codes adds those; twenty are the most that one try may have to look at."""
    permit_id = await permit(verifier)
    await verifier.data(moved(verifier, permit_id, SEED, hashes=HASHES[:1]))
    more = await verifier.data(moved(verifier, permit_id, SEED, hashes=HASHES))
    assert (more["backup_codes"], more["known"]) == (1, 2)
    many = tuple(hashlib.sha512(str(number).encode()).hexdigest() for number in range(19))
    assert (await verifier.data(moved(verifier, permit_id, hashes=many)))["refused"] == ["too_many_codes"]


async def test_who_enrolled_here_gets_no_factor_from_a_file(verifier: Verifier) -> None:
    """An old file, or a forged one, would put a stranger's phone beside the owner's."""
    await verifier.enrol()
    done = await verifier.data(moved(verifier, await permit(verifier), SEED, hashes=HASHES))
    assert done == {"factors": 0, "backup_codes": 0, "known": 0, "recovery_keys": 0, "refused": ["enrolled_here"]}


@pytest.mark.parametrize("case", ["none", "of an export", "over"])
async def test_nothing_is_taken_over_without_a_permit(verifier: Verifier, case: str) -> None:
    """Whoever has broken into the gateway can send every command; the permit is written by the operator's role only."""
    permits: dict[str, Any] = {"of an export": {"kind": "export"}, "over": {"seconds": -1}}
    permit_id = PermitId(new_id()) if case == "none" else await permit(verifier, **permits[case])
    assert (await verifier.ask(moved(verifier, permit_id, SEED))).code == "not_permitted"


async def test_what_was_sealed_for_another_account_is_not_taken(verifier: Verifier) -> None:
    """Seeds swapped on the way would let one person in as another."""
    await verifier.account("bob")
    answered = await verifier.ask(moved(verifier, await permit(verifier), SEED, of="bob"))
    assert answered.code == "internal_error"
    assert (await verifier.data(ReadSecurity()))["factors"] == []


async def test_many_people_come_in_one_message(verifier: Verifier) -> None:
    """A hundred thousand people, a transaction and an answer each, would take half a day."""
    permit_id = await permit(verifier)
    await verifier.account("bob")
    await verifier.enrol(account_id="bob")
    await verifier.account("carol")
    await verifier.data(moved(verifier, permit_id, SHORT_SEED, hashes=HASHES[:1], of="carol"), "carol")
    people = {
        ANN: moved(verifier, permit_id, SEED, hashes=HASHES, sms="work-phone"),
        "bob": moved(verifier, permit_id, SEED, of="bob"),
        "carol": moved(verifier, permit_id, SHORT_SEED, hashes=HASHES, of="carol"),
        "dan": moved(verifier, permit_id, SEED, of="dan"),
    }
    asked = ImportFactorsOfMany(
        permit_id=permit_id,
        people=tuple(
            ImportedPerson(account_id=whose, destinations=each.destinations, secrets=each.secrets)
            for whose, each in people.items()
        ),
    )
    done = await verifier.data(asked, None)
    assert done["imported"] == [
        {"factors": 2, "backup_codes": 2, "known": 0, "recovery_keys": 0, "refused": []},
        {"factors": 0, "backup_codes": 0, "known": 0, "recovery_keys": 0, "refused": ["enrolled_here"]},
        {"factors": 0, "backup_codes": 1, "known": 2, "recovery_keys": 0, "refused": []},
        None,
    ]
    again = await verifier.data(asked, None)
    assert [each and (each["factors"], each["backup_codes"]) for each in again["imported"]] == [
        (0, 0),
        (0, 0),
        (0, 0),
        None,
    ]
    await verifier.passed((await verifier.challenge()).id, shown(SEED, step_at(await verifier.now())))
    confirmed = [each for each in await verifier.said(events.FactorConfirmed) if each.data.is_imported]
    assert [(each.account_id, each.data.is_first) for each in confirmed] == [
        ("carol", True),
        (ANN, True),
        (ANN, False),
    ]
    unknown = asked.model_copy(update={"permit_id": PermitId(new_id())})
    assert (await verifier.ask(unknown, None)).code == "not_permitted"


async def test_an_import_ends_what_was_begun_and_trusted_before(verifier: Verifier) -> None:
    """A factor that a thief began on a password alone must not be finished once the owner's own is here."""
    begun = await verifier.start()
    await verifier.data(moved(verifier, await permit(verifier), SEED))
    [expired] = await verifier.said(events.FactorExpired)
    assert expired.data.factor_id == begun.factor.id


async def test_hashes_rest_sealed(verifier: Verifier) -> None:
    """An eight-digit code behind one round of SHA-512 is guessed in a second by whoever reads the row."""
    plain = hashlib.sha512(b"12345678").hexdigest()
    await verifier.data(moved(verifier, await permit(verifier), SEED, hashes=(plain,), shape=None))
    rows = await verifier.admin.fetch(
        "SELECT hash FROM otp.backup_codes WHERE tenant_id = $1 AND imported_as IS NOT NULL", verifier.tenant_id
    )
    assert [row["hash"] == plain for row in rows] == [False]


# --- out -------------------------------------------------------------------------------------------------------------


def opened(identity: x25519.Identity, page: dict[str, Any]) -> list[dict[str, Any]]:
    """What only the tenant can read."""
    return [json.loads(line) for line in decrypt(base64.b64decode(page["sealed"]), [identity]).splitlines()]


async def test_a_tenant_takes_everything_along(verifier: Verifier) -> None:
    """Seeds that nobody else can open, hashes that work elsewhere, addresses in clear: sealed to the tenant alone."""
    identity = x25519.Identity.generate()
    await real_contacts(verifier)
    app = await verifier.enrol()
    await verifier.account("bob", email_sealed=None, email_masked=None, email_digest=None, phone_sealed=None,
                           phone_masked=None, phone_digest=None)  # fmt: skip
    await verifier.data(moved(verifier, await permit(verifier), SHORT_SEED, hashes=HASHES, of="bob"), "bob")
    await verifier.passed((await verifier.challenge("bob")).id, CODES[0], kind="backup_code", account_id="bob")

    permit_id = await permit(verifier, kind="export", recipient=str(identity.to_public()))
    page = await verifier.data(ExportAccounts(permit_id=permit_id), None)
    ann, bob = opened(identity, page)
    assert (page["accounts"], page["next_after"]) == (2, None)
    assert (ann["account_id"], ann["email"], ann["phone"]) == (ANN, "ann@acme.example", "+4915112345678")
    assert ann["totp"] == [{"seed": app.seed, "name": "Authenticator app"}]
    assert [each["shape"] for each in ann["backup_codes"]] == ["X" * 17] * 10
    written = app.backup_codes[0].replace("-", "").encode()
    first = read_hash(ann["backup_codes"][0]["hash"])
    assert isinstance(first, ForeignHash)
    assert first.fits(written)
    assert bob["totp"][0]["seed"] == SHORT_SEED
    assert bob["backup_codes"] == [{"hash": HASHES[1], "shape": SHAPE}]
    assert "email" not in bob


async def test_a_recovery_key_goes_along_and_is_good_once(verifier: Verifier) -> None:
    """Who has lost the phone on the way has only the key left; used here, it is replaced as everywhere."""
    identity = x25519.Identity.generate()
    await real_contacts(verifier)
    await verifier.policy(Policy(recovery_key=RecoveryKey.INSTEAD))
    app = await verifier.enrol()
    assert app.recovery_key is not None
    permit_id = await permit(verifier, kind="export", recipient=str(identity.to_public()))
    [ann] = opened(identity, await verifier.data(ExportAccounts(permit_id=permit_id), None))
    assert (ann["recovery_key"]["shape"], "backup_codes" in ann) == ("X" * 17, False)

    nobody = dict.fromkeys(
        ("email_sealed", "email_masked", "email_digest", "phone_sealed", "phone_masked", "phone_digest")
    )
    await verifier.account("bob", **nobody)
    key = MovedCode(hash=ann["recovery_key"]["hash"], shape=ann["recovery_key"]["shape"])
    command = moved(verifier, await permit(verifier), SEED, of="bob")
    secrets = MovedSecrets(seeds=(MovedSeed(seed=SEED),), recovery_key=key)
    place = typed_place(verifier.tenant_id, "bob", "import")
    command = command.model_copy(
        update={"secrets": seal(verifier.deps.typed, Secret(secrets.model_dump_json()), place)}
    )
    done = await verifier.data(command, "bob")
    assert (done["factors"], done["recovery_keys"], done["refused"]) == (1, 1, [])
    assert (await verifier.data(command, "bob"))["known"] == 2
    challenge = await verifier.challenge("bob")
    passed = await verifier.passed(challenge.id, app.recovery_key, kind="recovery_key", account_id="bob")
    assert passed.recovery_key not in (None, app.recovery_key)
    challenge = await verifier.challenge("bob")
    again = await verifier.verify(challenge.id, app.recovery_key, kind="recovery_key", account_id="bob")
    assert again.code == "code_already_used"


async def real_contacts(verifier: Verifier) -> None:
    """Addresses that the notifier could open."""
    sealed = {
        name: seal(verifier.deps.notifier, Secret(text), contact_place(verifier.tenant_id, ANN, channel))
        for name, channel, text in (
            ("email_sealed", "email", "ann@acme.example"),
            ("phone_sealed", "sms", "+4915112345678"),
        )
    }
    await verifier.account(**sealed)


async def test_pages_follow_each_other_to_the_end(verifier: Verifier) -> None:
    """A million accounts are never in one message; none is left out between two."""
    identity = x25519.Identity.generate()
    nobody = dict.fromkeys(
        ("email_sealed", "email_masked", "email_digest", "phone_sealed", "phone_masked", "phone_digest")
    )
    ids = [ANN, *(f"b{number:03}" for number in range(PAGE + 5))]
    for account_id in ids:
        await verifier.account(account_id, **nobody)
    permit_id = await permit(verifier, kind="export", recipient=str(identity.to_public()))
    found, after = [], None
    for _ in range(2):
        page = await verifier.data(ExportAccounts(permit_id=permit_id, after=after), None)
        found += [each["account_id"] for each in opened(identity, page)]
        after = page["next_after"]
    assert (found, after) == (ids, None)


@pytest.mark.parametrize("case", ["none", "of an import", "over"])
async def test_nothing_leaves_without_a_permit(verifier: Verifier, case: str) -> None:
    """Who has broken into the gateway could otherwise ask for every seed, sealed to a key of their own."""
    recipient = str(x25519.Identity.generate().to_public())
    permits: dict[str, Any] = {
        "of an import": {"kind": "import"},
        "over": {"kind": "export", "recipient": recipient, "seconds": -1},
    }
    permit_id = PermitId(new_id()) if case == "none" else await permit(verifier, **permits[case])
    assert (await verifier.ask(ExportAccounts(permit_id=permit_id), None)).code == "not_permitted"


async def test_no_service_can_write_itself_a_permit(verifier: Verifier) -> None:
    """A permit is the operator's word: not the gateway's, nor that of the service which asks for it."""
    can_write = "SELECT has_table_privilege($1, 'otp.permits', 'INSERT, UPDATE')"
    roles = ("gateway", "otp_worker", "policy", "notifier", "audit", "operator")
    allowed = [role for role in roles if await verifier.admin.fetchval(can_write, f"deskfactor_{role}")]
    assert allowed == ["operator"]
