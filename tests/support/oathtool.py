"""An authenticator that we did not write: `oathtool` of the OATH Toolkit, installed or unpacked by `make test`."""

import datetime as dt
import subprocess

from tests.support.unpacked import find_oathtool


def totp(seed: str, at: dt.datetime) -> str:
    """The six digits that an authenticator holding the base32 `seed` shows at the instant `at` (RFC 6238)."""
    program, env = find_oathtool()
    return subprocess.run(
        [program, "--totp", "--base32", f"--now={at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC", "-"],
        env=env,
        input=seed,  # not an argument: those are shown to every user of the machine
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout.strip()
