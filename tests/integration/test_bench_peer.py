"""The peer's scripts are run on the server of the benchmark, and believed only where every answer was right."""

import json
from collections.abc import Iterator
from pathlib import Path

import aiosmtplib
import asyncpg
import pytest

from services.cli.embedded.postgres import Postgres
from tests.bench.privacyidea import Peer, PeerFailed, Sizes
from tests.bench.slow_mail_server import MailServer, NoCode

_SCRIPT = """#!/bin/sh
# Writes down what it was called for, on which port, and whether it would find a server that runs.
PGPORT=55432
[ -f "$PEER_DIR/pg/data/postmaster.pid" ] && runs=yes || runs=no
echo "$1 $2 $PGPORT $runs $PEER_USERS $PEER_PHASES" >> "$PEER_DIR/called"
echo "== doing $1" >&2
[ "$1" = bench ] && cat "$PEER_DIR/measured"
exit 0
"""


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that listens."""
    with Postgres(tmp_path / "postgres", listen=True) as server:
        yield server


@pytest.fixture
def peer(tmp_path: Path, postgres: Postgres) -> Peer:
    """Scripts that do nothing but say that they were called."""
    scripts, folder = tmp_path / "scripts", tmp_path / "state"
    scripts.mkdir()
    folder.mkdir()
    (scripts / "run_peer.sh").write_text(_SCRIPT)
    sizes = Sizes(users=96, mailboxes=64, seconds=1.0, is_patient=False)
    return Peer(scripts=scripts, folder=folder, postgres=postgres, sizes=sizes, tell=lambda _: None)


async def test_the_scripts_find_our_server_and_cannot_stop_it(peer: Peer) -> None:
    """A peer on another server would be compared with ours on another machine; one that stops ours ends the run."""
    _measures(peer, bad=0)
    await peer.settle()
    async with peer.serving("tuned"):
        measured = await peer.measure("tuned", ["hotp_user", "slowmail"], in_flight=32)
    assert measured["hotp_user"][0]["per_s"] == 25.0
    port = peer.postgres.port
    assert (peer.folder / "called").read_text().splitlines() == [
        f"setup  {port} yes 96 ",
        f"start tuned {port} yes 96 ",
        f"bench tuned {port} yes 96 hotp_user,slowmail",
        f"stop  {port} no 96 ",
    ]
    conn = await asyncpg.connect(peer.postgres.tcp_dsn(user="postgres"))  # as its scripts log in
    try:
        assert await conn.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await conn.close()


async def test_a_wrong_answer_of_the_peer_ends_the_run(peer: Peer) -> None:
    """A rate of answers among which are wrong ones compares with nothing."""
    _measures(peer, bad=1)
    await peer.settle()
    with pytest.raises(PeerFailed, match="1 answers of 250 were wrong"):
        await peer.measure("tuned", ["hotp_user"], in_flight=32)


async def test_scripts_that_fail_say_why(peer: Peer) -> None:
    """An installation that a network cut off is repeated, not searched for."""
    await peer.settle()
    _fails(peer)
    with pytest.raises(PeerFailed, match=r"(?s)bench tuned ended with 1.*== doing bench"):
        await peer.measure("tuned", ["hotp_user"], in_flight=32)


async def test_other_scripts_than_those_that_were_tried_are_refused(peer: Peer) -> None:
    """They would start a server of their own, on which nothing is comparable."""
    script = peer.scripts / "run_peer.sh"
    script.write_text(script.read_text().replace("PGPORT=55432", "PGPORT=5432"))
    with pytest.raises(PeerFailed, match="does not say PGPORT=55432"):
        await peer.settle()
    script.unlink()
    with pytest.raises(PeerFailed, match=r"no run_peer\.sh"):
        await peer.settle()


async def test_the_code_of_a_mail_reaches_who_waits_for_it() -> None:
    """What a round trip types must be what was mailed to that person, in whatever order the mails come."""
    async with MailServer().open() as server:
        ann, bob = server.expect("ann@acme.example"), server.expect("bob@acme.example")
        cal = server.expect("cal@acme.example")
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=server.port) as client:
            for to, subject in (("bob", "654321 is your code"), ("ann", "123456 is your code"), ("cal", "Hello")):
                mail = f"From: x@acme.example\r\nSubject: {subject}\r\n\r\n999999\r\n"
                await client.sendmail("x@acme.example", [f"{to}@acme.example"], mail)
        assert await server.code_of(ann) == "123456"
        assert await server.code_of(bob) == "654321"
        with pytest.raises(NoCode):
            await server.code_of(cal)
        assert server.mails == 3


def _measures(peer: Peer, *, bad: int) -> None:
    row = {"n": 250, "per_s": 25.0, "bad": bad}
    phases = {"hotp_user": [row], "slowmail": {"verify_alone": row, "verify_beside_slow_mail": row}}
    (peer.folder / "measured").write_text(json.dumps({"phases": phases}) + "\n")


def _fails(peer: Peer) -> None:
    (peer.folder / "scripts/run_peer.sh").write_text("#!/bin/sh\necho '== doing bench' >&2\nexit 1\n")
