"""Faults of bodies, as whoever wrote the request reads them."""

import json

import pytest
from pydantic import BaseModel

from services.gateway.api.bodies import AccountBody, ApiKeyBody, AuditQuery, LoginBody
from services.gateway.api.contacts import Contacts
from services.gateway.api.helpdesk_events import Rejected, judge
from services.gateway.api.parsing import parse_body
from services.gateway.api.policy_bodies import PolicyBody
from services.gateway.api.translation import put_account
from services.gateway.problems import Problem
from shared.crypto.keyring import KeyRing
from shared.ids import new_id

RING = KeyRing("any", "k1", {"k1": bytes(32)})
CONTACTS = Contacts(destinations=RING, digests=RING)


class _Speaker:
    """Somebody who may say everything."""

    tenant_id = new_id()
    is_sandbox = True
    actor = "api_key:1"

    def may(self, scope: object) -> bool:
        """Whatever it is."""
        return bool(scope)


def _faults(model: type[BaseModel], body: object) -> list[tuple[str, str, str]]:
    found = parse_body(json.dumps(body).encode(), model)
    assert isinstance(found, Problem)
    return [(fault.pointer, fault.code, fault.detail) for fault in found.faults]


def test_a_fault_is_told_in_the_words_of_json() -> None:
    """The caller may write Java: tuples and the names of our classes say nothing there."""
    login = {"account_id": "ann", "purpose": "sign-in", "first_factor": {"method": "password"}}
    assert _faults(LoginBody, login) == [
        ("/purpose", "literal_error", "Input should be 'sign_in', 'step_up' or 'api_password'")
    ]
    assert _faults(ApiKeyBody, {"name": "Backend", "scopes": []}) == [
        ("/scopes", "too_short", "The array should have at least 1 item after validation, not 0")
    ]


def test_a_wrong_member_does_not_make_its_array_too_short() -> None:
    """One mistake, one fault."""
    [(pointer, _, _)] = _faults(ApiKeyBody, {"name": "Backend", "scopes": ["loggins"]})
    assert pointer == "/scopes/0"


def test_all_that_is_wrong_with_an_account_is_told_at_once() -> None:
    """Who corrects one fault at a time sends three requests for one account."""
    body = AccountBody(email="nobody", phone="12")
    found = put_account(body, "ann", _Speaker(), CONTACTS)
    assert isinstance(found, Problem)
    assert [fault.pointer for fault in found.faults] == ["/email", "/phone"]


def test_a_landline_is_pointed_at() -> None:
    """A form shows a fault beside its field."""
    found = put_account(AccountBody(phone="+442079460123"), "ann", _Speaker(), CONTACTS)
    assert isinstance(found, Problem)
    assert [fault.pointer for fault in found.faults] == ["/phone"]


@pytest.mark.parametrize("data", [{"email": "nobody"}, {"role": "boss"}])
def test_a_rejected_event_is_found_again(data: dict[str, str]) -> None:
    """In an array of a hundred the sender looks for its own id, and for the member that was wrong."""
    event = {"specversion": "1.0", "id": "e-7", "source": "/desk", "type": "account.upserted", "subject": "ann"}
    found = judge(event | {"data": data}, _Speaker(), CONTACTS)
    assert isinstance(found, Rejected)
    assert found.id == "e-7"
    assert [fault.pointer for fault in found.problem.faults] == [f"/data/{next(iter(data))}"]


def test_an_event_type_that_is_none_is_not_searched_for() -> None:
    """An empty page would say that nothing of the kind ever happened."""
    assert [code for _, code, _ in _faults(AuditQuery, {"types": "login.decided,foo"})] == ["type_unknown"]


def test_no_grace_and_a_lock_leave_nobody_time_to_enrol() -> None:
    """An admin who writes 0 days means the next login; whoever is new would be locked out before it."""
    required = {"scope": "all"}
    [(_, code, _)] = _faults(PolicyBody, {"required": required, "grace_days": 0, "after_grace": "lock_out"})
    assert code == "no_time_to_enrol"
    meant = parse_body(json.dumps({"required": required, "grace_days": 0}).encode(), PolicyBody)
    assert isinstance(meant, PolicyBody)
    assert meant.policy().follows_grace == "enrol"
