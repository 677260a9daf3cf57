"""The hard case of a key that is not there: nobody is let in for it, and nothing is lost by it."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from shared.crypto.keyring import create_rings
from tests.support.eventually import eventually
from tests.support.owner import STEP, Owner
from tests.support.people import open_world
from tests.support.stack import Stack

pytestmark = pytest.mark.acceptance


async def test_without_the_master_key_nothing_is_verified_and_nobody_waved_through(
    stack: Stack, tmp_path: Path
) -> None:
    """The wrong folder mounted at a deployment is a 503, never "no second factor"; with the key all is as before."""
    async with open_world(stack) as world:
        helpdesk, ann = world.helpdesk, Owner(world.helpdesk)
        await ann.put()
        app = await ann.enrol()
        await helpdesk.move_clock(2 * STEP)
        whole, stack.key_dir = stack.key_dir, await asyncio.to_thread(_without_master_key, stack.key_dir, tmp_path)
        try:
            await _restart(stack)
            challenge = await ann.challenge()
            path, body = f"/v1/challenges/{challenge['id']}/verify", {"code": ann.code(app)}
            status, document, headers = await eventually(  # a machine that is too slow is a 503, too
                lambda: helpdesk.send("POST", path, body), lambda answer: answer[1]["code"] != "unavailable"
            )
            assert (status, document["code"]) == (503, "key_missing")
            assert int(headers["Retry-After"]) > 0
            seen = await helpdesk.call("GET", f"/v1/challenges/{challenge['id']}")
            assert (seen["state"], seen["attempts_left"]) == ("open", 5)
            assert await ann.decision() == "challenge"
        finally:
            stack.key_dir = whole
            await _restart(stack)
        await ann.sign_in(app)


def _without_master_key(folder: Path, tmp_path: Path) -> Path:
    """Every ring as it is, but the master key: another one, under another id."""
    others, copy = tmp_path / "others", tmp_path / "keys"
    create_rings(others)
    shutil.copytree(folder, copy)
    ring = json.loads((others / "rest.json").read_text())
    [key] = ring["keys"].values()
    (copy / "rest.json").write_text(json.dumps({"active": "another", "keys": {"another": key}}))
    return copy


async def _restart(stack: Stack) -> None:
    """otp_worker alone holds the ring."""
    await stack.stop("otp_worker")
    stack.start("otp_worker")
    await stack.wait_ready("otp_worker")
