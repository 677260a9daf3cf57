"""The audit log taken away and checked by somebody who trusts neither us nor our code."""

import asyncio
import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.cli.demo.helpdesk import Helpdesk
from services.cli.demo.world import World
from services.cli.verification import read_head, verify
from tests.architecture.source import ROOT
from tests.support.backend import happened
from tests.support.eventually import eventually
from tests.support.people import enrolled, open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance

_PROGRAM = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Reader(Helpdesk):
    """A backend that takes files."""

    @property
    def session(self) -> aiohttp.ClientSession:
        """Its connection."""
        assert self._session is not None
        return self._session

    async def file(self, path: str) -> tuple[str, str]:
        """Type and text of a file."""
        assert self._session is not None
        async with self._session.get(path) as response:
            assert response.status == 200
            return response.headers["Content-Type"], await response.text()


async def much_happened(world: World) -> Reader:
    """More entries than a page holds, and an id that a spreadsheet would compute."""
    reader = world.helpdesk
    assert isinstance(reader, Reader)
    await enrolled(reader, "ann")
    await happened(reader, "ann", "notification.sent")  # later it would stand among the others' entries
    for number in range(60):
        await reader.call("PUT", f"/v1/accounts/-{number}", {"role": "customer"})
        await reader.call("PUT", f"/v1/accounts/-{number}", {"role": "agent"})
    return reader


async def signed(reader: Reader) -> dict[str, Any]:
    """What proves the log, once its end was signed."""
    proof = await eventually(lambda: reader.call("GET", "/v1/audit/proof"), lambda answer: answer["head"] is not None)
    assert isinstance(proof, dict)
    return proof


async def check(folder: Path, export: str, proof: dict[str, Any]) -> tuple[int | None, str]:
    """What the program of docs/audit-proof.md says: its status and its words."""
    [program] = _PROGRAM.findall((ROOT / "docs/audit-proof.md").read_text())
    (folder / "check.py").write_text(program)
    (folder / "export.jsonl").write_text(export)
    (folder / "proof.json").write_text(json.dumps(proof))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(str(folder / name) for name in ("check.py", "export.jsonl", "proof.json")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_an_outsider_checks_the_export_with_the_program_of_the_document(stack: Stack, tmp_path: Path) -> None:
    """An edit, a gap and a cut tail are found with nothing of ours but a file and a head that was kept."""
    async with open_world(stack, backend=Reader) as world:
        reader = await much_happened(world)
        await eventually(lambda: reader.call("GET", "/v1/audit/proof"), lambda answer: answer["last_seq"] > 120)
        proof = await signed(reader)
        content_type, export = await reader.file("/v1/audit/export?format=jsonl")
        assert content_type.startswith("application/jsonl")
        lines = export.splitlines(keepends=True)
        assert [json.loads(line)["seq"] for line in lines] == list(range(1, len(lines) + 1))
        assert len(lines) > 120
        status, said = await check(tmp_path, export, proof)
        assert (status, "nothing was changed" in said) == (0, True), said
        found = await verify(stack.dsn, key_dir=stack.key_dir, head=read_head(tmp_path / "proof.json"))
        assert (found.is_intact, found.reports[0].proved_seq) == (True, proof["head"]["seq"])
        at = proof["head"]["seq"] - 1
        edited = lines[at].replace('"type": "', '"type": "x')
        damaged = {
            "edit": [*lines[:at], edited, *lines[at + 1 :]],
            "gap": [*lines[:at], *lines[at + 1 :]],
            "cut tail": lines[:at],
        }
        for name, rest in damaged.items():
            status, said = await check(tmp_path, "".join(rest), proof)
            assert status == 1, (name, said)
        forged = proof | {"head": proof["head"] | {"hash": "00" * 32}}
        status, said = await check(tmp_path, export, forged)
        assert (status, "InvalidSignature" in said) == (1, True)


async def test_the_file_is_csv_that_a_spreadsheet_does_not_compute(stack: Stack) -> None:
    """RFC 4180; an account id that begins like a formula gets an apostrophe."""
    async with open_world(stack, backend=Reader) as world:
        reader = await much_happened(world)
        is_long = "/v1/audit/export?format=csv&after=100&before=112"
        content_type, text = await eventually(lambda: reader.file(is_long), lambda file: file[1].count("\r\n") == 12)
        assert content_type == "text/csv; charset=utf-8"
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        assert [row[0] for row in rows] == [str(number) for number in range(101, 112)]
        accounts = [row[header.index("account_id")] for row in rows if row[header.index("account_id")]]
        assert accounts
        assert all(account.startswith("'-") for account in accounts)
        assert all(isinstance(json.loads(row[header.index("data")]), dict) for row in rows)


async def test_the_feed_is_read_page_by_page_without_gap_or_repetition(stack: Stack) -> None:
    """Whoever missed a webhook reads on from the sequence number that they know."""
    async with open_world(stack, backend=Reader) as world:
        reader = await much_happened(world)
        await eventually(lambda: reader.call("GET", "/v1/audit/proof"), lambda answer: answer["last_seq"] > 120)
        after, seen = 0, []
        while True:
            page = await reader.call("GET", f"/v1/events?after={after}&limit=37")
            seen += [int(event["sequence"]) for event in page["data"]]
            after = page["next_after"]
            if not page["has_more"]:
                break
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) > 120
        assert (await reader.call("GET", f"/v1/events?after={after + 1000}"))["data"] == []


async def test_who_took_the_log_away_is_in_the_log(stack: Stack) -> None:
    """With what was asked for, and by which key; a look at the head takes nothing."""
    async with open_world(stack, backend=Reader) as world:
        reader = world.helpdesk
        assert isinstance(reader, Reader)
        await enrolled(reader, "ann")
        await eventually(lambda: reader.call("GET", "/v1/audit/proof"), lambda answer: answer["last_seq"] > 4)
        async with reader.session.head("/v1/audit/export?format=csv") as response:
            assert response.status == 200
        await reader.file("/v1/audit/export?format=csv&after=1&before=4")
        [taken] = await eventually(
            lambda: _found(reader, "/v1/audit?types=audit.exported"), lambda found: len(found) > 0
        )
        assert taken["event"]["data"] == {"format": "csv", "after": 1, "before": 4}
        keys = (await reader.call("GET", "/v1/api-keys"))["data"]
        assert taken["actor"] in {f"api_key:{key['id']}" for key in keys}


async def _found(reader: Reader, path: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await reader.call("GET", path))["data"]
    return data


async def test_a_key_without_the_scope_gets_no_file(stack: Stack) -> None:
    """The whole log at once is worth more to a thief than an entry."""
    async with open_world(stack, backend=Reader) as world:
        made = await world.helpdesk.call("POST", "/v1/api-keys", {"name": "weak", "scopes": ["logins"]}, expect=201)
        headers = {"Authorization": f"Bearer {made['key']}"}
        async with aiohttp.ClientSession(stack.url, headers=headers) as session:
            for path in ("/v1/audit/export", "/v1/audit/proof"):
                async with session.get(path) as response:
                    assert response.status == 403
