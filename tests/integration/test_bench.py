"""The benchmark measures, and what it says is so."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.embedded.postgres import Postgres
from services.notifier.adapters.smtp import SmtpSender, SmtpSettings
from services.notifier.domain.delivery import Accepted
from services.notifier.domain.message import RenderedEmail
from services.notifier.settings import TlsMode
from shared.secret import Secret
from tests.bench import login
from tests.bench.case import Scene
from tests.bench.rig import Servers
from tests.bench.slow_mail_server import MailServer
from tests.bench.verify import at
from tests.support.command_line import deskfactor
from tests.support.rabbitmq import Rabbit
from tests.support.stack import ROOT, SERVICES


async def test_a_case_gives_figures_of_right_answers(
    postgres: Postgres, rabbit: Rabbit, template: str, key_dir: Path, tmp_path: Path
) -> None:
    """The path of a login, smallest: each process is counted, and so are its messages and statements."""
    servers = Servers(
        folder=tmp_path,
        postgres=postgres,
        rabbit=rabbit,
        key_dir=key_dir,
        template=template,
        database=template,
        amqp_url=rabbit.url(),
    )
    async with servers.apart("bench_smoke") as own:
        figures = [each async for each in login.measure(Scene(servers=own, scale=0.0), loads=[8])]
    assert [(each.case, each.at) for each in figures] == [("login_floor", at(8)), ("login", at(8))]
    ours = figures[1]
    assert ours.values["rate"] > 0
    assert set(ours.cpu) == set(SERVICES)
    assert ours.values["statements"] > 1
    assert ours.values["messages"] > 1
    json.dumps([each.line() for each in figures])


async def test_a_mail_in_the_servers_hands_gives_its_code_to_who_waits() -> None:
    """Round trips of mailed codes are measured by it: it understands what our sender says, mail after mail."""
    message = RenderedEmail(subject="123456 is your Acme code", text="123456\n.\n", html="<p>123456</p>")
    async with MailServer().open() as mail:
        settings = SmtpSettings(host="127.0.0.1", port=mail.port, sender="us@acme.example", tls=TlsMode.NONE)
        async with SmtpSender(settings) as sender:
            for name in ("ann", "bob"):
                to = f"{name}@acme.example"
                coming = mail.expect(to)
                sent = await sender.send(message, to=Secret(to), message_id=name, deadline=dt.timedelta(seconds=30))
                assert isinstance(sent, Accepted)
                assert await mail.code_of(coming) == "123456"
    assert mail.mails == 2


async def test_a_case_that_is_not_there_is_told_before_anything_starts() -> None:
    """A typing mistake costs no minutes."""
    said = await deskfactor("bench", "flight")
    assert said.status == 2
    assert "verify" in said.err


@pytest.mark.parametrize("option", ["--out", "--page"])
async def test_a_folder_in_the_place_of_a_file_is_told_before_anything_starts(option: str, tmp_path: Path) -> None:
    """It was found out by a traceback, for the page after all had been measured."""
    said = await deskfactor("bench", "login", option, str(tmp_path))
    assert said.status == 2
    assert "directory" in said.err
    assert "Traceback" not in said.err


def test_where_the_source_is_not_the_command_says_so(tmp_path: Path) -> None:
    """The benchmark is not shipped; a traceback would not tell."""
    probe = "import sys; sys.path[:] = [each for each in sys.path if each]; sys.argv[1:] = ['bench']; "
    probe += f"sys.path.insert(0, {str(tmp_path)!r}); from services.cli.__main__ import main; main()"
    (tmp_path / "services").symlink_to(ROOT / "services")
    (tmp_path / "shared").symlink_to(ROOT / "shared")
    run = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "make bench" in run.stderr
