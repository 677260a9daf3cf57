"""A secret does not print itself, whoever asks and however."""

import copy
import json
import pickle
import traceback

import pytest

from shared.secret import Secret

CODE = "493027"


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(CODE)),
        repr(Secret(CODE)),
        f"{Secret(CODE)}",
        f"{Secret(CODE):>20}",
        f"{Secret(CODE)!r}",
        "%s" % Secret(CODE),  # noqa: UP031 - a library may do it so
        repr([Secret(CODE)]),
        repr({"code": Secret(CODE.encode())}),
    ],
)
def test_no_way_of_printing_shows_it(shown: str) -> None:
    """Logs, errors and debuggers print what they get."""
    assert CODE not in shown
    assert "<secret>" in shown


def test_it_is_revealed_on_demand_only() -> None:
    """The one method is what a reader of the code searches for."""
    assert Secret(CODE).reveal() == CODE
    assert Secret(b"seed").reveal() == b"seed"
    assert not hasattr(Secret(CODE), "__dict__")


def test_it_leaves_the_process_by_no_other_way() -> None:
    """A pickled or copied secret, or one in JSON, would be outside of what protects it."""
    for leave in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            leave(Secret(CODE))


def test_a_traceback_does_not_show_it() -> None:
    """With the values of all variables, as an error tracker would take it."""

    def check(secret: Secret[str]) -> None:
        raise ValueError(secret)

    with pytest.raises(ValueError, match="<secret>") as raised:
        check(Secret(CODE))
    text = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "secret = <secret>" in text
    assert CODE not in text
