"""Pages from templates: everything that is put in is escaped, and the one style is allowed by its hash."""

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files

from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined

_PAGES = (
    "layout.html",
    "recovery_cancel.html",
    "recovery_cancelled.html",
    "report_download.html",
    "message.html",
    "problem.html",
    "documentation.html",
)


class Pages:
    """Renders the pages; templates are read once."""

    def __init__(self) -> None:
        folder = files("services.gateway.prompt")
        style = (folder / "page.css").read_text()
        templates = {name: (folder / name).read_text() for name in _PAGES}
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

    def text(self, name: str, values: Mapping[str, object]) -> str:
        """A page as text."""
        return self._environment.get_template(name).render(values)

    def response(
        self, name: str, values: Mapping[str, object], *, status: int = 200, has_form: bool = False
    ) -> web.Response:
        """A page as an answer; a form may only be sent back to us."""
        form = "'self'" if has_form else "'none'"
        return web.Response(
            text=self.text(name, values),
            status=status,
            content_type="text/html",
            headers={"Content-Security-Policy": f"{self._policy}form-action {form}"},
        )
