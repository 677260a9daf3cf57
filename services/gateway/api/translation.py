"""From what callers send to the commands that services know. `POST /v1/events` brings some of them by another way."""

from services.gateway.api.auth import KeyScope, Speaker
from services.gateway.api.bodies import AccountBody
from services.gateway.api.contacts import Contacts
from services.gateway.api.fields import Login
from services.gateway.problems import HttpCode, Problem
from shared.contracts.commands import PutAccount, StartLogin
from shared.contracts.types import Contact, RequestKey

PRIVILEGED = frozenset({"role", "sso", "active"})
"""What decides who must have a second factor: a key that may only keep addresses up to date must not change it."""


def put_account(
    body: AccountBody,
    account_id: str,
    speaker: Speaker,
    contacts: Contacts,
    *,
    is_whole: bool = True,
    under: str = "",
) -> PutAccount | Problem:
    """An account as the body gives it; ``is_whole`` False: one fact of it, told by an event of its own. ``under``: the
    JSON pointer of the body in what was sent.
    """
    given = body.given()
    if PRIVILEGED.intersection(given) and not speaker.may(KeyScope.ACCOUNTS_PRIVILEGED):
        return Problem(
            code=HttpCode.FORBIDDEN_SCOPE,
            detail="`role`, `sso` and `active` need the scope `accounts:privileged`.",
        )
    email: Contact | Problem | None = None
    phone: Contact | Problem | None = None
    if body.email is not None:
        email = contacts.email(speaker.tenant_id, account_id, body.email, pointer=f"{under}/email")
    if body.phone is not None:
        phone = contacts.phone(
            speaker.tenant_id, account_id, body.phone, pointer=f"{under}/phone", is_sandbox=speaker.is_sandbox
        )
    if isinstance(email, Problem) or isinstance(phone, Problem):
        return both(email, phone)
    return PutAccount(
        given=given,
        role=body.role if "role" in given else None,
        email=email,
        email_verified=body.email_verified if "email_verified" in given else None,
        phone=phone,
        locale=body.locale,
        time_zone=body.time_zone,
        sso=body.sso if "sso" in given else None,
        active=body.active if "active" in given else None,
        version=body.version,
        is_whole=is_whole,
    )


def both(*found: object) -> Problem:
    """One problem for all that is wrong with a body, so that nobody corrects it fault by fault."""
    problems = [each for each in found if isinstance(each, Problem)]
    if len(problems) == 1:
        return problems[0]
    return Problem(code=HttpCode.VALIDATION_FAILED, faults=tuple(fault for each in problems for fault in each.faults))


def start_login(body: Login, request: RequestKey | None = None) -> StartLogin:
    """A login; a trusted device's token is added by the route that takes one."""
    return StartLogin(
        request=request,
        purpose=body.purpose,
        first_factor=body.first_factor.value(),
        password_changed_at=body.password_changed_at,
        context=body.context.value(),
    )
