"""Pages from templates: everything that is put in is escaped, and the one style is allowed by its hash."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files

from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined

from services.gateway.prompt.languages import FALLBACK, LANGUAGES
from services.gateway.prompt.messages import BACK, MESSAGES, Message

_PAGES = ("layout.html", "message.html", "problem.html", "documentation.html")
_IN_EVERY_LANGUAGE = (
    "recovery_cancel.html",
    "report_download.html",
    "not_me.html",
    "sign_in.html",
    "recovery_key_replaced.html",
    "prove_mailbox.html",
    "enrol_choice.html",
    "enrol_proof.html",
    "save_codes.html",
    "recovery_offer.html",
    "recovery_waits.html",
)


class Pages:
    """Renders the pages; templates are read once."""

    def __init__(self) -> None:
        folder = files("services.gateway.prompt")
        style = (folder / "page.css").read_text()
        names = (*_PAGES, *(f"{language}/{name}" for language in LANGUAGES for name in _IN_EVERY_LANGUAGE))
        templates = {name: folder.joinpath(*name.split("/")).read_text() for name in names}
        self._environment = Environment(
            loader=DictLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["style"] = style
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        self._policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'; "

    def text(self, name: str, values: Mapping[str, object], *, language: str = FALLBACK) -> str:
        """A page as text."""
        return self._environment.get_template(name).render({"language": language, **values})

    def response(
        self,
        name: str,
        values: Mapping[str, object],
        *,
        status: int = 200,
        language: str = FALLBACK,
        has_form: bool = False,
        then: str = "",
    ) -> web.Response:
        """A page as an answer; a form may only be sent back to us. ``then``: the origin that its answer may lead to."""
        form = f"'self' {then}".strip() if has_form else "'none'"
        return web.Response(
            text=self.text(name, values, language=language),
            status=status,
            content_type="text/html",
            headers={"Content-Security-Policy": f"{self._policy}form-action {form}", "Content-Language": language},
        )

    def form(
        self, name: str, values: Mapping[str, object], language: str, *, status: int = 200, then: str = ""
    ) -> web.Response:
        """One of the pages with a button, in that language."""
        return self.response(f"{language}/{name}", values, status=status, language=language, has_form=True, then=then)

    def say(self, message: Message, language: str, *, back: str | None = None) -> web.Response:
        """A title and a few sentences. ``back``: the helpdesk's own address, to go on from here."""
        words = MESSAGES[language][message]
        values = {"title": words.title, "texts": words.texts, "back": back, "back_label": BACK[language]}
        return self.response("message.html", values, status=message.status, language=language)
