"""The list of who uses a second factor, line by line: RFC 4180, and nothing that a spreadsheet would compute."""

import csv
import datetime as dt
import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.policy.domain.account import Account
from services.policy.domain.known import Granted, Known
from services.policy.domain.report import (
    COLUMNS,
    Accounts,
    Usage,
    header,
    lines,
    may_not_be_mailed,
    new_report,
    refusal_of,
)
from services.policy.domain.requirement import StoredPolicy, replaced
from shared.contracts.policy import Policy, Requirement, Scope
from shared.contracts.replies import RefusalCode
from shared.contracts.types import Contact, EnforcementState, FactorType, ReportId, ReportState, Role
from shared.ids import new_id
from shared.rules.csv_text import cell, line

NOW = dt.datetime(2027, 3, 1, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TICK = dt.timedelta(microseconds=1)
EVERYBODY = replaced(StoredPolicy(), Policy(required=Requirement(scope=Scope.ALL), grace_days=7), NOW - DAY)
DANGEROUS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"

ANN = Known(
    account_id="ann",
    role=Role.AGENT,
    is_active=True,
    is_sso=False,
    subject_since=NOW - 30 * DAY,
)
ENROLLED = Usage(
    first_enrolled_at=NOW - 3 * DAY,
    last_success_at=NOW - DAY,
    factor_types=(FactorType.SMS, FactorType.TOTP),
    active_factors=3,
    suspended_factors=1,
    backup_codes_left=9,
)
BOTH = Accounts(known=[ANN, replace(ANN, account_id="ben")], usage={"ben": ENROLLED})
ADMIN = Account(
    account_id="root",
    created_at=NOW,
    role=Role.ADMIN,
    email=Contact(sealed="v1.k1.x", masked="r", digest="r"),
    email_verified=True,
)
REPORT = new_report(ReportId(new_id()), role=None, enforcement_state=None, mail_to=None, now=NOW)

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.text(st.sampled_from(DANGEROUS + '",;\n a1'), max_size=10),
)


def read(text: str) -> list[list[str]]:
    """As a reader of CSV that we did not write takes it."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def of(known: Known = ANN, usage: Usage | None = None, granted: Granted | None = None) -> dict[str, str]:
    """The cells of one account, by column."""
    accounts = Accounts(
        known=[known],
        granted={known.account_id: granted} if granted is not None else {},
        usage={known.account_id: usage} if usage is not None else {},
    )
    [values] = read("".join(lines(accounts, EVERYBODY, None, NOW)))
    return dict(zip(COLUMNS, values, strict=True))


@given(st.lists(texts, min_size=2, max_size=6))
def test_every_line_is_read_back_as_it_was_meant(cells: list[str]) -> None:
    """Commas, quotes and line breaks in a cell stay in that cell, and nothing but an apostrophe is added."""
    [values] = read(line(cells))
    assert [
        value if value == given else value.removeprefix("'") for value, given in zip(values, cells, strict=True)
    ] == (cells)


@given(texts)
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    """`=HYPERLINK(…)` as an account id would run at the desk of the admin who opens the list."""
    [[value, _]] = read(line([text, "x"]))
    assert not value.startswith(tuple(DANGEROUS))


@pytest.mark.parametrize("text", ["-2+3", "=1", "@SUM(A1)", "+1", "\t=1", "\r=1"])
def test_a_dangerous_cell_is_marked_as_text(text: str) -> None:
    """The id itself stays readable behind the apostrophe."""
    assert cell(text).strip('"') == f"'{text}"


def test_a_file_has_crlf_and_as_many_cells_in_every_line() -> None:
    """RFC 4180, 2: readers count on both."""
    text = header() + "".join(lines(BOTH, EVERYBODY, None, NOW))
    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n") == 3
    assert {len(row) for row in read(text)} == {len(COLUMNS)}
    assert text.isascii()


def test_an_account_without_a_factor_shows_until_when() -> None:
    """What the list is for: whom to call before the deadline."""
    assert of() == {
        "account_id": "ann",
        "role": "agent",
        "active": "yes",
        "sso": "no",
        "enforcement": "grace",
        "deadline": "2027-03-07T09:00:00Z",
        "exempt_until": "",
        "uses_2fa": "no",
        "factor_types": "",
        "active_factors": "0",
        "suspended_factors": "0",
        "backup_codes_left": "0",
        "first_enrolled_at": "",
        "last_used_at": "",
    }


def test_an_enrolled_account_shows_what_it_has() -> None:
    """Types by name, in one cell."""
    shown = of(usage=ENROLLED)
    assert (shown["enforcement"], shown["uses_2fa"], shown["factor_types"]) == ("satisfied", "yes", "sms totp")
    assert (shown["active_factors"], shown["suspended_factors"], shown["backup_codes_left"]) == ("3", "1", "9")
    assert (shown["first_enrolled_at"], shown["last_used_at"]) == ("2027-02-26T09:00:00Z", "2027-02-28T09:00:00Z")


def test_a_suspended_factor_satisfies_and_is_not_in_use() -> None:
    """As the login judges it; the list must not say otherwise."""
    shown = of(usage=replace(ENROLLED, factor_types=(), active_factors=0))
    assert (shown["enforcement"], shown["uses_2fa"]) == ("satisfied", "no")


def test_an_instant_is_told_in_utc() -> None:
    """A list that is compared with another must not depend on a server's zone."""
    elsewhere = NOW.astimezone(dt.timezone(dt.timedelta(hours=5, minutes=30)))
    assert of(granted=Granted(exempt_until=elsewhere + DAY))["exempt_until"] == "2027-03-02T09:00:00Z"


def test_a_state_is_a_filter() -> None:
    """Only those that stand as asked for."""
    found = lines(BOTH, EVERYBODY, EnforcementState.SATISFIED, NOW)
    assert [row[0] for row in read("".join(found))] == ["ben"]


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (None, RefusalCode.ACCOUNT_NOT_FOUND),
        (replace(ADMIN, is_active=False), RefusalCode.ACCOUNT_INACTIVE),
        (replace(ADMIN, role=Role.AGENT), RefusalCode.RECIPIENT_NOT_AN_ADMIN),
        (replace(ADMIN, email_verified=False), RefusalCode.NO_MAILBOX),
        (replace(ADMIN, email=None), RefusalCode.NO_MAILBOX),
        (ADMIN, None),
    ],
)
def test_who_may_be_mailed(account: Account | None, code: RefusalCode | None) -> None:
    """Whoever has the link has the list: it goes to an admin's known mailbox or nowhere."""
    assert may_not_be_mailed(account) is code


def test_a_report_can_be_had_from_when_it_is_ready_until_its_last_instant() -> None:
    """Half-open, like every other time here; whatever the timer has said by then."""
    ready = replace(REPORT, state=ReportState.READY, ready_at=NOW)
    assert refusal_of(None, NOW) is RefusalCode.REPORT_NOT_FOUND
    assert refusal_of(REPORT, NOW) is RefusalCode.REPORT_NOT_READY
    assert refusal_of(ready, NOW + DAY - TICK) is None
    assert refusal_of(ready, NOW + DAY) is RefusalCode.REPORT_EXPIRED
    assert refusal_of(replace(ready, state=ReportState.EXPIRED), NOW) is RefusalCode.REPORT_EXPIRED
