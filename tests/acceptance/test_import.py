"""Moving in: people of another system sign in with what they have, on both buses, after crashes as well."""

import base64
import csv
import datetime as dt
import hmac
import os
from pathlib import Path
from uuid import UUID

import asyncpg
import bcrypt
import pytest
from pyrage import x25519

from services.cli.demo.helpdesk import Helpdesk
from shared.db.account_lock import lock_account
from tests.support.command_line import Typed, deskfactor, start_deskfactor
from tests.support.eventually import eventually
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

SHORT_SEED = base64.b32encode(b"ten bytes!").decode()  # 80 bits
CODE = "k7fq-29xw"
HASH = bcrypt.hashpw(CODE.encode(), bcrypt.gensalt(4)).decode()
STEP = dt.timedelta(seconds=30)


def shown(seed: str, now: dt.datetime) -> str:
    """What an authenticator shows (RFC 6238, RFC 4226)."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    mac = hmac.digest(key, int(now.timestamp() // 30).to_bytes(8, "big"), "sha1")
    at = mac[-1] & 0xF
    return f"{(int.from_bytes(mac[at : at + 4], 'big') & 0x7FFFFFFF) % 10**6:06}"


def settings(stack: Stack) -> dict[str, str | Path]:
    """What an operator's host has."""
    return {"database_url": stack.dsn, "key_dir": stack.key_dir, "bus": stack.bus, "amqp_urls": stack.amqp_url}


async def bring_in(stack: Stack, tenant_id: UUID, file: Path, *words: str) -> Typed:
    """``deskfactor import``."""
    return await deskfactor("import", str(file), "--tenant", str(tenant_id), "--json", *words, **settings(stack))


async def sign_in(helpdesk: Helpdesk, account_id: str, **answer: str) -> dict[str, object]:
    """A password, then what the person has."""
    login = await helpdesk.login(account_id)
    assert login["decision"] == "challenge"
    return await helpdesk.verify(login["challenge"], **answer)


async def test_people_sign_in_with_what_they_have(stack: Stack, tmp_path: Path) -> None:
    """An 80-bit authenticator, a code on paper, good once; nobody is written to; the audit log knows who did it."""
    async with open_world(stack) as world:
        helpdesk = world.helpdesk
        await helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}, "grace_days": 7})
        mails = len(world.mailbox.messages)
        file, report = tmp_path / "accounts.csv", tmp_path / "refused.csv"
        file.write_text(
            "account_id,role,email,email_verified,totp,sms,backup_codes,backup_code_shape\n"
            f"ann,agent,ann@import.example,yes,{SHORT_SEED},,{HASH},xxxx-xxxx\n"
            "bob,admin,bob@import.example,yes,,+4915112345678,,\n"
            "carol,agent,carol@import.example,yes,JBSWY3DP,,,\n"
            "ann,agent,,,,,,\n"
        )
        tried = await bring_in(stack, world.tenant_id, file, "--dry-run")
        assert (tried.status, tried.json()["accounts"]) == (1, 2)
        await helpdesk.refused("GET", "/v1/accounts/ann", None, "account_not_found")

        done = await bring_in(stack, world.tenant_id, file, "--report", str(report))
        assert done.status == 1, done.err
        assert done.json() == {
            "is_dry_run": False, "lines": 4, "accounts": 2, "refused": 2, "factors": 2, "backup_codes": 1,
            "recovery_keys": 0, "known": 0,
        }  # fmt: skip
        with report.open(newline="") as written:
            rows = [(row["line"], row["field"], row["reason"]) for row in csv.DictReader(written)]
        assert rows == [("4", "totp", "seed_too_short"), ("5", "account_id", "account_id_repeated")]
        assert "carol" not in report.read_text()

        await sign_in(helpdesk, "ann", code=shown(SHORT_SEED, helpdesk.now))
        answer = await sign_in(helpdesk, "ann", backup_code="K7FQ 29XW")
        assert answer["backup_codes_left"] == 0
        again = (await helpdesk.login("ann"))["challenge"]
        await helpdesk.refused(
            "POST", f"/v1/challenges/{again['id']}/verify", {"backup_code": CODE}, "code_already_used"
        )
        assert (await helpdesk.login("bob"))["challenge"]["factors"][0]["type"] == "sms"
        status = await helpdesk.call("GET", "/v1/accounts/bob")
        assert status["enforcement"]["state"] == "satisfied"

        told = [mail.subject for mail in world.mailbox.messages[mails:] if mail.to.endswith("@import.example")]
        assert all("backup" in subject.lower() for subject in told), told
        timeline = await world.until(
            "the import in the timeline",
            lambda: helpdesk.call("GET", "/v1/accounts/bob/timeline"),
            lambda page: "factor.confirmed" in {entry["type"] for entry in page["data"]},
        )
        [confirmed] = [entry for entry in timeline["data"] if entry["type"] == "factor.confirmed"]
        assert confirmed["actor"].startswith("operator:")

        once_more = await bring_in(stack, world.tenant_id, file)
        assert (once_more.json()["factors"], once_more.json()["known"], once_more.json()["accounts"]) == (0, 3, 2)


async def test_a_run_that_was_killed_goes_on_where_it_was(stack: Stack, tmp_path: Path) -> None:
    """Power fails in the middle of ten thousand people: nobody is lost and nobody has two authenticators."""
    people = 120
    async with open_world(stack) as world:
        file = tmp_path / "accounts.jsonl"
        lines = [
            f'{{"account_id": "a{number}", "totp": ["{base64.b32encode(f"seed of {number:012}".encode()).decode()}"]}}'
            for number in range(people)
        ]
        file.write_text("\n".join(lines))
        conn = await asyncpg.connect(stack.dsn)
        try:
            counting = "SELECT count(*) FROM otp.factors WHERE tenant_id = $1 AND state = 'active'"

            async def count() -> int:
                return int(await conn.fetchval(counting, world.tenant_id))

            words = ("import", str(file), "--tenant", str(world.tenant_id))
            async with conn.transaction():
                await lock_account(conn, world.tenant_id, f"a{people - 1}")  # the end of the file waits for us
                process = await start_deskfactor(*words, **settings(stack))
                await eventually(count, lambda found: found >= 10, within=60)
                process.kill()
                await process.communicate()

            done = await bring_in(stack, world.tenant_id, file)
            assert done.status == 0, done.err
            assert done.json()["accounts"] == people
            assert await count() == people
            owners = "SELECT count(DISTINCT account_id) FROM otp.factors WHERE tenant_id = $1"
            assert await conn.fetchval(owners, world.tenant_id) == people
            # its id stands in the audit log: with the file it is over, a day before its time
            good = "SELECT count(*) FROM otp.permits WHERE tenant_id = $1 AND expires_at > now()"
            assert await conn.fetchval(good, world.tenant_id) == 0
        finally:
            await conn.close()


async def test_a_number_from_a_file_is_judged_like_any_other(stack: Stack, tmp_path: Path) -> None:
    """Codes to a country that the tenant does not send to would be paid for at every login from then on."""
    async with open_world(stack) as world:
        await world.helpdesk.call("PUT", "/v1/tenant", {"name": "Acme Helpdesk", "countries": ["GB"]})
        file, report = tmp_path / "accounts.jsonl", tmp_path / "refused.csv"
        file.write_text(
            '{"account_id": "ann", "sms": ["+4915112345678"]}\n'
            '{"account_id": "bob", "phone": "+4915112345678"}\n'
            '{"account_id": "carol", "sms": ["+447700900123"]}\n'
        )
        tried = await bring_in(stack, world.tenant_id, file, "--dry-run", "--report", str(report))
        assert (tried.status, tried.json()["accounts"]) == (1, 1), tried.err
        rows = [row[:3] for row in csv.reader(report.read_text().splitlines())][1:]
        assert rows == [["1", "sms", "country_not_allowed"], ["2", "phone", "country_not_allowed"]]


async def test_what_cannot_run_says_so(stack: Stack, tmp_path: Path) -> None:
    """A script must tell a file with faults from one that was never begun."""
    file = tmp_path / "accounts.csv"
    file.write_text(f"account_id,secret\nann,{SHORT_SEED}\n")
    async with open_world(stack) as world:
        unknown = await bring_in(stack, world.tenant_id, file)
        assert (unknown.status, SHORT_SEED in unknown.err) == (2, False)
        file.write_text("account_id\nann\n")
        nobody = await bring_in(stack, UUID(int=7), file)
        assert nobody.status == 2
        keyless = await deskfactor(
            "import", str(file), "--tenant", str(world.tenant_id), **(settings(stack) | {"key_dir": tmp_path})
        )
        assert (keyless.status, "Traceback" in keyless.err) == (2, False)


async def leave(stack: Stack, tenant_id: UUID, file: Path, recipient: str) -> Typed:
    """``deskfactor export``."""
    words = ("--tenant", str(tenant_id), "--recipient", recipient, "--out", str(file), "--reason", "they leave us")
    return await deskfactor("export", *words, "--json", **settings(stack))


async def test_what_was_exported_is_imported_elsewhere(stack: Stack, tmp_path: Path) -> None:
    """A tenant moves from one Deskfactor to another: the same phone, the same paper; and nobody else opens the file."""
    identity = x25519.Identity.generate()
    recipient, key, file = str(identity.to_public()), tmp_path / "key.txt", tmp_path / "acme.tar"
    key.write_text(f"# the tenant's\n{identity}\n")
    async with open_world(stack) as old, open_world(stack, name="Elsewhere") as new:
        await old.helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}, "recovery_key": "beside"})
        ann = await enrolled(old.helpdesk, "ann")
        [app] = (await old.helpdesk.call("GET", "/v1/accounts/ann/factors"))["data"]
        await old.helpdesk.call("PATCH", f"/v1/accounts/ann/factors/{app['id']}", {"name": "Work phone"})
        await old.helpdesk.call("PUT", "/v1/accounts/bob", {"role": "admin", "phone": "+4915112345678"})
        until = (old.helpdesk.now + dt.timedelta(days=30)).isoformat()
        exempt = {"exempt_until": until, "reason": "on leave", "actor": "root"}
        await old.helpdesk.call("PUT", "/v1/accounts/root", {"role": "admin"})
        await old.helpdesk.call("PUT", "/v1/accounts/bob/enforcement", exempt)
        done = await leave(stack, old.tenant_id, file, recipient)
        assert (done.status, done.json()["accounts"]) == (0, 3), done.err
        assert file.stat().st_mode & 0o077 == 0
        assert ann.seed.encode() not in file.read_bytes()
        assert (await leave(stack, old.tenant_id, file, recipient)).status == 2  # nothing is overwritten

        other = tmp_path / "other.txt"
        other.write_text(f"{x25519.Identity.generate()}\n")
        assert (await bring_in(stack, new.tenant_id, file, "--identity", str(other))).status == 2
        await new.helpdesk.call("PUT", "/v1/policy", {"required": {"scope": "all"}})
        moved = await bring_in(stack, new.tenant_id, file, "--identity", str(key))
        assert moved.status == 0, moved.err
        counted = moved.json()
        assert (counted["factors"], counted["backup_codes"], counted["recovery_keys"]) == (1, 10, 1)
        ann_there = await new.helpdesk.call("GET", "/v1/accounts/ann")
        assert [each["name"] for each in ann_there["factors"]] == ["Work phone"]
        assert ann_there["backup_codes"]["recovery_key"] is not None

        await sign_in(new.helpdesk, "ann", code=shown(ann.seed, new.helpdesk.now))
        answer = await sign_in(new.helpdesk, "ann", backup_code=ann.backup_codes[4].lower())
        assert answer["backup_codes_left"] == 9
        again = (await new.helpdesk.login("ann"))["challenge"]
        path = f"/v1/challenges/{again['id']}/verify"
        await new.helpdesk.refused("POST", path, {"backup_code": ann.backup_codes[4]}, "code_already_used")
        bob = await new.helpdesk.call("GET", "/v1/accounts/bob")
        assert (bob["role"], bob["phone"], bob["enforcement"]["state"]) == ("admin", "•••• 78", "exempt")

        log = await old.until(
            "the export in the audit log",
            lambda: old.helpdesk.call("GET", "/v1/events"),
            lambda page: "tenant.exported" in {event["type"] for event in page["data"]},
        )
        [exported] = [event for event in log["data"] if event["type"] == "tenant.exported"]
        assert exported["actor"].startswith("operator:")
        assert (exported["data"]["reason"], exported["data"]["recipient"]) == ("they leave us", recipient)


async def test_an_export_that_cannot_run_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    """Half a copy is taken for a whole one, on the day on which it is needed."""
    async with open_world(stack) as world:
        file = tmp_path / "acme.tar"
        assert (await leave(stack, world.tenant_id, file, "age1notakey")).status == 2
        recipient = str(x25519.Identity.generate().to_public())
        assert (await leave(stack, UUID(int=7), file, recipient)).status == 2
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing, not even a part under another name
