"""What a service may refuse stands at the call that asks it: the table of routes says it all, and says it by hand."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from services.audit import consumers as audit
from services.gateway.api.openapi import ALWAYS, WITH_BODY, WITH_KEY
from services.gateway.api.route import Route
from services.gateway.api.routes import ROUTES
from services.gateway.problems import Code, HttpCode
from services.notifier import consumers as notifier
from services.otp_worker import consumers as otp_worker
from services.policy import consumers as policy
from shared.contracts.commands import Request
from shared.contracts.replies import RefusalCode
from shared.messaging.handler_table import HandlerTable
from tests.support.reaching import classes_named, named

_IN_THE_GATEWAY = ("services.gateway.",)
_TABLES: list[HandlerTable[Any]] = [audit.TABLE, notifier.TABLE, otp_worker.TABLE, policy.TABLE]
_HANDLERS: Mapping[type[Any], Callable[..., Any]] = {
    row.message: inspect.getclosurevars(row.handle).nonlocals.get("handler", row.handle)
    for table in _TABLES
    for row in table.rows
    if row.lane.is_request
}
_EVERYWHERE: frozenset[Code] = frozenset((*ALWAYS, *WITH_BODY, *WITH_KEY))

# Named by what a call reaches, and never its answer.
_NOT_SAID: Mapping[tuple[str, str], frozenset[Code]] = {
    ("GET", "/v1/accounts/{account_id}"): frozenset({RefusalCode.RECOVERY_NOT_FOUND}),  # then there is none
    ("POST", "/v1/accounts/{account_id}/recovery"): frozenset(
        {
            RefusalCode.RECOVERY_NOT_FOUND,
            RefusalCode.CHALLENGE_NOT_FOUND,
        }  # it waits for the challenge, and goes without
    ),
    ("POST", "/v1/challenges/{challenge_id}/verify"): frozenset(
        {RefusalCode.RECOVERY_NOT_FOUND}  # of a recovery's code it waits for the hour, and goes without
    ),
    ("POST", "/v1/accounts/{account_id}/factors/{factor_id}/send"): frozenset({RefusalCode.FACTOR_NOT_OFFERED}),
    ("DELETE", "/v1/accounts/{account_id}/trusted-devices"): frozenset({RefusalCode.DEVICE_NOT_FOUND}),  # names none
    ("GET", "/v1/webhook-endpoints"): frozenset({RefusalCode.WEBHOOK_ENDPOINT_NOT_FOUND}),  # names none
    ("POST", "/v1/events"): frozenset(RefusalCode),  # answered by what follows, as events
}
_BY_ONE_ADMIN = frozenset({RefusalCode.APPROVER_REQUIRED})  # the rule knows a second one, who is asked for in few calls


def _asked(route: Route) -> set[type]:
    return classes_named(route.handler, Request, within=_IN_THE_GATEWAY)


def _may_be_refused(route: Route) -> set[Code]:
    refused: set[Code] = set(named(route.handler, HttpCode, within=("services.gateway.api.",)))
    for command in _asked(route):
        refused |= named(_HANDLERS[command], RefusalCode)
    if "account_id" not in route.parts:
        refused -= {RefusalCode.NOT_ON_ONESELF}
    return refused - _EVERYWHERE - _BY_ONE_ADMIN - _NOT_SAID.get((route.method, route.path), frozenset())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_call_names_every_refusal_of_the_service_that_it_asks(route: Route) -> None:
    """A client that was not told of a refusal treats it as an outage."""
    assert _may_be_refused(route) <= set(route.refusals)


def test_the_search_finds_what_is_there() -> None:
    """One that found nothing would be content with everything."""
    [verify] = [route for route in ROUTES if route.path.endswith("/verify")]
    assert {RefusalCode.CODE_WRONG, RefusalCode.CHALLENGE_EXPIRED, RefusalCode.THROTTLED} <= _may_be_refused(verify)
    [enrol] = [route for route in ROUTES if (route.method, route.path[-8:]) == ("POST", "/factors")]
    assert {RefusalCode.EMAIL_NOT_VERIFIED, RefusalCode.TOO_MANY_FACTORS} <= _may_be_refused(enrol)
    asking = [route for route in ROUTES if _asked(route)]
    assert len(asking) > len(ROUTES) * 2 / 3
