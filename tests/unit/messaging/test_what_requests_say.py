"""What the way of a request depends on: what it is about, and whether it takes long."""

import pytest

from shared.contracts.codec import MESSAGES
from shared.contracts.commands import Request, StartLogin, VerifyCode
from shared.ids import new_id
from shared.messaging.topology import OTP_LOGINS
from tests.contracts.examples import example

_LOGINS = sorted(name for name, each in MESSAGES.items() if issubclass(each, Request) and each.lane == OTP_LOGINS.name)


@pytest.mark.parametrize("name", _LOGINS)
def test_requests_of_logins_say_what_they_are_about(name: str) -> None:
    """Two attempts at one challenge are judged in their order only if it is known that they are of one."""
    data = example(name).data
    assert isinstance(data, Request)
    of_account = isinstance(data, StartLogin)  # whose envelope names the account
    assert of_account or data.about == str(data.model_dump()["challenge_id"])


@pytest.mark.parametrize("kind", ["backup_code", "recovery_key", "recovery_code"])
def test_what_is_hashed_slowly_goes_alone(kind: str) -> None:
    """A frame is answered when all of it is judged: fifty logins would wait for one slow hash."""
    assert VerifyCode.model_validate({"challenge_id": new_id(), kind: "v1.k.x"}).goes_alone
    assert not VerifyCode.model_validate({"challenge_id": new_id(), "code": "v1.k.x"}).goes_alone
