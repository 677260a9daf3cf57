"""What a test does again and again for one account of a running product, and what it may conclude from the answers."""

import datetime as dt

from services.cli.demo.helpdesk import Json
from tests.acceptance.properties.model import BLUR, DAY, MINUTE, App, Truth, step_at
from tests.support.in_one_thread import Product

ANN = "/v1/accounts/ann"


class Hand:
    """One sandbox tenant; `truth` is the model of Ann's account."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.tenant_id, self.desk = product.do(product.new_tenant())
        self.truth = Truth(now=self.desk.now)
        self.replaces: str | None = None

    def close(self) -> None:
        """The backend's connections."""
        self.product.do(self.desk.__aexit__(None, None, None))

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        """One request; no answer is a fault of ours."""
        status, document, _ = self.product.do(self.desk.ask(method, path, body))
        assert status < 500, (method, path, status, document)
        return status, document

    def good(self, method: str, path: str, body: object = None) -> Json:
        """One request that must succeed."""
        status, document = self.ask(method, path, body)
        assert status < 300, (method, path, status, document)
        return document

    def refused(self, method: str, path: str, body: object, *codes: str) -> None:
        """One request that must not succeed, for one of these reasons."""
        status, document = self.ask(method, path, body)
        assert status >= 400, (method, path, status)
        assert document["code"] in codes, (method, path, document["code"], codes)

    def settle(self) -> None:
        """All that follows from what was done has happened."""
        self.product.do(self.product.settle(self.tenant_id))
        self.truth.now = self.desk.now

    def leap(self, by: dt.timedelta) -> None:
        """Time passes."""
        self.product.do(self.desk.move_clock(by))
        self.settle()
        self.watch_recovery()
        self.check_status()

    def check_status(self) -> None:
        """policy, which tells people, must see what otp_worker decides by."""
        seen, truth = self.good("GET", ANN), self.truth
        assert {each["id"] for each in seen["factors"] if each["state"] == "active"} == set(truth.active)
        if truth.active and (truth.exempt_until is None or abs(truth.now - truth.exempt_until) > BLUR):
            is_held_to = truth.is_required() and not truth.is_sso
            free = "exempt" if truth.is_covered() and not truth.is_sso else "not_required"
            assert seen["enforcement"]["state"] == ("satisfied" if is_held_to else free)

    def messages(self) -> list[Json]:
        """What Ann was sent, newest last."""
        found: list[Json] = []
        cursor = ""
        while True:
            page = self.good("GET", f"/v1/sandbox/messages?account_id=ann&limit=100{cursor}")
            found += page["data"]
            if not page["has_more"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    def mailed_code(self) -> str:
        """The newest code."""
        self.settle()
        return str([each["code"] for each in self.messages() if each["code"]][-1])

    def login(self, **more: object) -> Json:
        """The right password."""
        return self.good("POST", "/v1/logins", {"account_id": "ann", "first_factor": {"method": "password"}, **more})

    def is_throttled(self) -> bool:
        """Whether the product says that no code is judged now."""
        return self.good("GET", ANN)["throttled_until"] is not None

    def fresh_step(self, app: App) -> int:
        """The current step; time passes where it was used."""
        if step_at(self.desk.now) <= app.last_step:
            self.leap(MINUTE)
        return step_at(self.desk.now)

    def verify(self, challenge: Json, **typed: object) -> tuple[int, Json]:
        """An answer to a challenge."""
        return self.ask("POST", f"/v1/challenges/{challenge['id']}/verify", typed)

    def proof(self) -> str | None:
        """A fresh proof of Ann's, by an app; None where codes are not judged now, or the app went meanwhile."""
        factor_id = self.truth.active[0]
        app = self.truth.apps[factor_id]
        step = self.fresh_step(app)
        if factor_id not in self.truth.apps or self.is_throttled():
            return None
        challenge = self.login(purpose="step_up")["challenge"]
        status, document = self.verify(challenge, factor_id=factor_id, code=app.code(step))
        assert status == 200, document
        self.passed(factor_id, step)
        return str(challenge["id"])

    def passed(self, factor_id: str, step: int) -> None:
        """A code was accepted: never before, and by nothing older than what was."""
        truth = self.truth
        assert (factor_id, step) not in truth.accepted, "a code was accepted twice"
        assert step > truth.apps[factor_id].last_step, "a code was accepted after a later one"
        truth.accepted.append((factor_id, step))
        truth.apps[factor_id].last_step = step
        truth.cancel_recovery()

    def watch_recovery(self) -> None:
        """Time may have executed the open request, or ended its draft: not a moment before its time."""
        request = self.truth.recovery
        if request is None:
            return
        seen = self.good("GET", f"{ANN}/recovery")
        assert seen["id"] == request.id
        if seen["state"] == "executed":
            assert request.state == "waiting", "a recovery was executed that nobody proved"
            assert request.ready_at is not None
            assert self.truth.now >= request.ready_at - BLUR, "2FA went off before its time"
            self.truth.executed()
        elif seen["state"] == "expired":
            assert request.state == "draft"
            assert self.truth.now >= request.requested_at + DAY - BLUR
            request.state = "expired"
        elif request.state == "waiting":
            assert request.ready_at is not None
            assert self.truth.now < dt.datetime.fromisoformat(seen["ready_at"]) + BLUR, "a recovery is overdue"

    def wrong_code(self) -> str:
        """Of no app, now or near."""
        now = step_at(self.desk.now)
        near = {app.code(now + offset) for app in self.truth.apps.values() for offset in range(-30, 31)}
        return next(code for number in range(271_828, 272_900) if (code := f"{number:06}") not in near)
