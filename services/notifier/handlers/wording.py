"""What a delivery has to say: its command's parameters, what is sealed of them, and what every text says."""

import json

from services.notifier.deps import Deps
from services.notifier.queries.deliveries import Claimed
from shared.contracts.notifications import DEFAULT_COLOUR, PARAMS, WITHOUT_DISPUTE, Notice, Notification
from shared.crypto.sealing import open_bytes, secret_param_place, unseal


def notice_of(claimed: Claimed, deps: Deps) -> Notice:
    """Raises `BrokenSeal`, `UnknownKey`, and `ValueError` where the parameters are not the notification's."""
    delivery = claimed.delivery
    notification = Notification(delivery.notification)
    place = secret_param_place(delivery.tenant_id, delivery.account_id, delivery.delivery_id)
    params: dict[str, object] = {
        "tenant_name": claimed.tenant_name,
        "tenant_colour": claimed.setting("colour") or DEFAULT_COLOUR,
        **delivery.params,
    }
    if notification not in WITHOUT_DISPUTE and delivery.account_id:
        params["not_me_url"] = deps.dispute_links.url(delivery.tenant_id, delivery.delivery_id)
    if delivery.secrets is not None:
        params |= json.loads(open_bytes(deps.seal, delivery.secrets, place))
    if delivery.code is not None:
        code = unseal(deps.seal, delivery.code, place).reveal()
        params = {"domain": deps.domain, **params, "code": code}  # the tenant's own site, where it has one
    return PARAMS[notification].model_validate(params)
