"""What providers tell us later. A callback has no key: the notifier, who knows the secret, judges its signature."""

import json
import re
from uuid import UUID

from aiohttp import web

from services.gateway.api.call import DEPS, SOURCE
from services.gateway.middleware import DEADLINE, problem_response
from services.gateway.problems import HttpCode, Problem, of_refusal
from services.gateway.prompt.forms import CONTENT_TYPE, read_form
from shared.clock import host_now
from shared.contracts.commands import RecordReceipt
from shared.contracts.envelope import begin
from shared.contracts.types import SYSTEM, DeliveryId
from shared.crypto.sealing import seal, typed_place
from shared.secret import Secret

_SIGNATURE = re.compile(r"[A-Za-z0-9+/=_-]{1,200}")
_LONGEST_REPORT = 8 * 1024  # bytes of JSON; Twilio's have less than one thousand


async def twilio(request: web.Request) -> web.Response:
    """A receipt of an SMS. The URL that was signed is the public one, whatever a proxy made of it."""
    params = await read_form(request)
    if params is None:
        detail = f"Send {CONTENT_TYPE} in UTF-8."
        return problem_response(request, Problem(code=HttpCode.UNSUPPORTED_MEDIA_TYPE, detail=detail))
    try:
        tenant_id, delivery_id = UUID(request.query["tenant"]), UUID(request.query["delivery"])
    except (KeyError, ValueError):
        return problem_response(request, Problem(code=HttpCode.NOT_FOUND))
    signature = request.headers.get("X-Twilio-Signature", "")
    if not _SIGNATURE.fullmatch(signature):
        return problem_response(request, Problem(code=HttpCode.REQUEST_REFUSED))
    report = json.dumps(params)
    if len(report) > _LONGEST_REPORT:
        return problem_response(request, Problem(code=HttpCode.BODY_TOO_LARGE))
    deps = request.app[DEPS]
    envelope = begin(
        RecordReceipt(
            delivery_id=DeliveryId(delivery_id),
            url=deps.settings.public_url + request.raw_path,
            params=seal(deps.notifier, Secret(report), typed_place(tenant_id, str(delivery_id), "receipt")),
            signature=signature,
        ),
        tenant_id=tenant_id,
        account_id=None,
        actor=SYSTEM,
        source=SOURCE,
        at=host_now(),
    )
    answer = await deps.asker.ask(envelope, until=request[DEADLINE])
    if answer.refusal is not None:
        return problem_response(request, of_refusal(answer.refusal))
    return web.Response(status=204)
