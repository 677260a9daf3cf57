"""What a test does again and again for one account of a running product, and what it may conclude from the answers."""

import datetime as dt
import re
from urllib.parse import parse_qs, urlsplit

from services.cli.demo.helpdesk import Json
from shared.ids import new_id
from tests.acceptance.properties.guessing import CODE, WRONG
from tests.acceptance.properties.requirement import Requirement
from tests.acceptance.properties.things import BLUR, DAY, MINUTE, Factor, Proof, Recovery, step_at
from tests.acceptance.properties.truth import Truth
from tests.support.in_one_thread import Product

ANN = "/v1/accounts/ann"
BY_ROOT = {"actor": "root", "reason": "On the phone"}


class Hand:
    """One sandbox tenant; `truth` is the model of Ann's account."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.tenant_id, self.desk = product.do(product.new_tenant())
        self.truth = Truth(now=self.desk.now, email=new_address(), asked=Requirement(self.desk.now))
        self.opened: list[str] = []

    def close(self) -> None:
        """The backend's connections."""
        self.product.do(self.desk.__aexit__(None, None, None))

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        """One request; no answer is a fault of ours."""
        status, document, _ = self.product.do(self.desk.ask(method, path, body))
        assert status < 500, (method, path, status, document)
        self.truth.now = self.desk.now
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
        are_unused = truth.are_unused()
        if are_unused or (are_unused is None and not seen["factors"]):
            truth.fall_into_disuse()
        assert {each["id"] for each in seen["factors"] if each["state"] == "active"} == set(truth.active)
        is_throttled, is_closed = seen["throttled_until"] is not None, truth.is_closed()
        assert is_closed in (None, is_throttled), ("throttled", is_throttled, truth.guesses)
        must_keep_one = truth.must_keep_one()
        if truth.active and must_keep_one is not None:
            is_held_to = truth.is_active and not truth.is_sso and truth.asked.is_covered()
            held = "satisfied" if must_keep_one else "exempt"
            assert seen["enforcement"]["state"] == (held if is_held_to else "not_required")

    # messages

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

    def sent_codes(self, channel: str) -> list[Json]:
        """The messages with a code in them, newest last."""
        return [each for each in self.messages() if each["code"] and each["channel"] == channel]

    def press(self, message: Json, path: str) -> int | None:
        """The button behind the link of a message; None: it has no such link."""
        found = re.search(rf"https?://\S+{path}\?\S+", message["text"])
        if found is None:
            return None
        fields = {name: value for name, [value] in parse_qs(urlsplit(found[0]).query).items()}
        status = self.product.do(self.product.press(path, fields))
        self.settle()
        return status

    # challenges

    def login(self, **more: object) -> Json:
        """The right password. Of three challenges that are open already the others are given up."""
        body = {"account_id": "ann", "first_factor": {"method": "password"}, **more}
        status, document = self.ask("POST", "/v1/logins", body)
        if status == 429:
            assert document["code"] == "too_many_challenges", document
            for challenge_id in self.opened:
                self.ask("POST", f"/v1/challenges/{challenge_id}/cancel", {})
            document = self.good("POST", "/v1/logins", body)
        else:
            assert status == 200, (document, self.truth)
        if document["challenge"] is not None:
            self.opened = [*self.opened[-9:], document["challenge"]["id"]]
        return document

    def verify(self, challenge: Json, **typed: object) -> tuple[int, Json]:
        """An answer to a challenge: what is typed wrong counts, and where enough is wrong, nothing is judged."""
        truth, purpose = self.truth, challenge.get("purpose", "recovery")
        [lane] = set(typed) & {CODE, "backup_code", "recovery_key", "recovery_code"}
        is_closed = truth.guesses.is_closed(lane, self.desk.now) if purpose != "recovery" else False
        status, document = self.ask("POST", f"/v1/challenges/{challenge['id']}/verify", typed)
        said = "right" if status == 200 else str(document["code"])
        if said == "throttled":
            assert is_closed is not False, ("throttled too soon", lane, truth.guesses)
        elif said == "right" or said in WRONG:
            assert is_closed is not True, ("judged while throttled", lane, truth.guesses)
        if said in WRONG and purpose != "recovery":
            truth.guesses.failed(lane, truth.now)
        if said == "right" and purpose in ("sign_in", "step_up"):
            truth.guesses.succeeded()
            truth.last_success_at = truth.now
            by = typed.get("factor_id") if lane == CODE else None
            truth.proofs[challenge["id"]] = Proof(truth.now, str(by) if by is not None else None)
            truth.cancel_recovery()
        return status, document

    def fresh_step(self, app: Factor) -> int:
        """The current step; time passes where it was used."""
        while step_at(self.desk.now) <= app.last_step or step_at(self.desk.now) in app.burnt:
            self.leap(MINUTE)
        return step_at(self.desk.now)

    def pass_with(self, factor_id: str, purpose: str, **more: object) -> tuple[str, Json] | None:
        """A challenge of this purpose, passed by a right code of a factor: its id and what was said.

        None where no code is judged or sent now, or the factor went meanwhile.
        """
        if factor_id not in self.truth.offered:
            return None
        factor = self.truth.factors[factor_id]
        step = self.fresh_step(factor) if factor.is_app else None
        if factor_id not in self.truth.offered or (challenge := self.login(purpose=purpose)["challenge"]) is None:
            return None
        code = factor.code(step) if step is not None else self.code_sent(challenge, factor_id)
        if code is None:
            return None
        status, document = self.verify(challenge, factor_id=factor_id, code=code, **more)
        if document.get("code") == "throttled":
            return None
        assert status == 200, (document, factor)
        self.passed(factor_id, step, code)
        return str(challenge["id"]), document

    def code_sent(self, challenge: Json, factor_id: str) -> str | None:
        """The code that a phone or a mailbox gets for a challenge; None: no more of them today, or it is over."""
        channel = self.truth.factors[factor_id].type
        path, body = f"/v1/challenges/{challenge['id']}/send", {"factor_id": factor_id}
        document: Json = {}
        for _ in range(2):
            self.settle()
            before = len(self.sent_codes(channel))
            status, document = self.ask("POST", path, body)
            if status == 202:
                self.settle()
                found = self.sent_codes(channel)
                return str(found[-1]["code"]) if len(found) > before else None
            if document["code"] != "too_soon":
                break
            self.leap(2 * MINUTE)
            if factor_id not in self.truth.factors:
                return None
        assert document["code"] in ("too_soon", "too_many_sends", "challenge_expired", "throttled"), document
        return None

    def proof(self) -> str | None:
        """A fresh proof of Ann's, by a factor; None where codes are not judged now, or it went meanwhile."""
        apps_first = sorted(self.truth.offered, key=lambda each: not self.truth.factors[each].is_app)
        passed = self.pass_with(apps_first[0], "step_up")
        return passed[0] if passed is not None else None

    def passed(self, factor_id: str, step: int | None, code: str) -> None:
        """A code was accepted: never before, and by nothing older than what was."""
        truth, factor = self.truth, self.truth.factors[factor_id]
        if step is None:
            truth.sent_and_used.append((factor_id, code))
            truth.is_address_proved = truth.is_address_proved or factor.to == truth.email
            return
        assert (factor_id, step) not in truth.accepted, "a code was accepted twice"
        assert step > factor.last_step, "a code was accepted after a later one"
        truth.accepted.append((factor_id, step))
        factor.last_step = step

    # recovery

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
            self.is_on_time(request, seen)

    def is_on_time(self, request: Recovery, seen: Json) -> None:
        """A request that waits says when it is over: not sooner than it may be, and not in the past."""
        assert request.ready_at is not None
        ready_at = dt.datetime.fromisoformat(seen["ready_at"])
        assert ready_at >= request.ready_at - BLUR, "the wait is too short"
        assert self.truth.now < ready_at + BLUR, "a recovery is overdue"

    def wrong_code(self) -> str:
        """Of no app, now or near."""
        now = step_at(self.desk.now)
        apps = [factor for factor in self.truth.factors.values() if factor.is_app]
        near = {app.code(now + offset) for app in apps for offset in range(-30, 31)}
        return next(code for number in range(271_828, 272_900) if (code := f"{number:06}") not in near)


def new_address() -> str:
    """Ann's, of this tenant only."""
    return f"ann@{new_id()}.example"
