"""Which calls take an admin's proof where the tenant asks for it: every route is decided about, in a table."""

import json
from collections.abc import Mapping

import pytest
from pydantic import BaseModel

from services.gateway.api.auth import KeyScope, May
from services.gateway.api.fields import ByProvenAdmin, ByProvenAdmins
from services.gateway.api.parsing import parse_body
from services.gateway.api.refusals import AT_LARGE, BY_TWO_ADMINS
from services.gateway.api.route import ProvenBy, Route
from services.gateway.api.routes import ROUTES
from services.gateway.problems import Problem
from shared.contracts.replies import RefusalCode

PROOF = "01990000-0000-7000-8000-0000000000c1"
FREE_SCOPES = frozenset({KeyScope.LOGINS, KeyScope.ACCOUNTS_WRITE, KeyScope.FACTORS_WRITE, KeyScope.AUDIT_READ})
"""Of backends that speak for the person who is there, or read for a machine: nobody could show a step-up to them."""

WITHOUT: Mapping[tuple[str, str], str] = {
    ("DELETE", "/v1/accounts/{account_id}"): "the helpdesk's own news of who has left",
    ("GET", "/v1/accounts/{account_id}/export"): "one person's copy, of what the helpdesk told us",
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"): "says nothing, and to nobody new",
    ("POST", "/v1/webhook-deliveries/{delivery_id}/redeliver"): "what was sent there before",
    ("GET", "/v1/webhook-endpoints"): "changes nothing",
    ("GET", "/v1/webhook-endpoints/{endpoint_id}"): "changes nothing",
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries"): "changes nothing",
    ("GET", "/v1/reports/{report_id}"): "an admin asked for it with a proof",
    ("GET", "/v1/reports/{report_id}/download"): "an admin asked for it with a proof",
    ("GET", "/v1/api-keys"): "changes nothing, and shows no key",
    ("DELETE", "/v1/api-keys/{key_id}"): "whoever finds a leaked key has no time to look for a phone",
}


def ids(route: Route) -> str:
    """Of a test."""
    return f"{route.method} {route.path}"


def given(route: Route) -> type[BaseModel] | None:
    """Where a call says who acts."""
    return route.body or route.query


PROVEN = [route for route in ROUTES if route.proven_by is not ProvenBy.NOBODY]


def test_every_call_of_admins_is_decided_about() -> None:
    """A new call takes a proof, or a reason stands here why it does not: a stolen key finds the one forgotten."""
    of_admins = {
        (route.method, route.path)
        for route in ROUTES
        if route.allows is not May.ANY_KEY and not (isinstance(route.allows, tuple) and FREE_SCOPES & {*route.allows})
    }
    proven = {(route.method, route.path) for route in PROVEN}
    assert of_admins - proven == WITHOUT.keys()
    assert proven - of_admins == {("POST", "/v1/accounts/{account_id}/factors")}  # with an `actor` only


@pytest.mark.parametrize("route", PROVEN, ids=ids)
def test_a_call_that_takes_a_proof_has_a_place_for_it_and_says_so(route: Route) -> None:
    """A demand that nobody can meet closes the call for good."""
    model, is_by_two = given(route), route.proven_by is ProvenBy.TWO
    assert model is not None
    assert issubclass(model, ByProvenAdmins if is_by_two else ByProvenAdmin)
    assert set(BY_TWO_ADMINS if is_by_two else AT_LARGE) <= set(route.refusals)
    assert is_by_two or RefusalCode.APPROVER_REQUIRED not in route.refusals


@pytest.mark.parametrize(
    "route", [each for each in ROUTES if "actor" in getattr(given(each), "model_fields", ())], ids=ids
)
def test_whoever_may_be_named_may_prove_it(route: Route) -> None:
    """One call that takes a name without a proof, and the log is worth what the weakest says."""
    is_by_a_person = route.path.endswith("/recovery/{recovery_id}/cancel")  # an admin may, and then proves it
    assert route.proven_by is not ProvenBy.NOBODY or is_by_a_person
    assert issubclass(given(route) or Problem, ByProvenAdmin)


@pytest.mark.parametrize("route", [each for each in PROVEN if each.body is not None], ids=ids)
@pytest.mark.parametrize("person", ["actor", "approver"])
def test_a_proof_of_nobody_is_a_fault_with_its_place(route: Route, person: str) -> None:
    """Dropped in silence it would look as if it had counted."""
    body = given(route)
    assert body is not None
    if f"{person}_proof" not in body.model_fields or body.model_fields[person].is_required():
        return
    found = parse_body(json.dumps({f"{person}_proof": PROOF}).encode(), body)
    assert isinstance(found, Problem)
    assert (f"/{person}_proof", "proof_of_nobody") in [(fault.pointer, fault.code) for fault in found.faults]


@pytest.mark.parametrize("route", [each for each in PROVEN if each.proven_by is ProvenBy.TWO], ids=ids)
def test_an_approver_of_nobodys_action_is_a_fault(route: Route) -> None:
    """The second admin would agree to something that no first one did."""
    model = given(route)
    assert model is not None
    if model.model_fields["actor"].is_required():
        return
    found = parse_body(json.dumps({"approver": "carol"}).encode(), model)
    assert isinstance(found, Problem)
    assert ("/approver", "approver_of_nobody") in [(fault.pointer, fault.code) for fault in found.faults]
