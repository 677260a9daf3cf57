"""The helpdesk's own address that a person goes back to, with what is said in it."""

import re
from urllib.parse import quote, urlsplit

from services.gateway.queries.prompt_sessions import PromptSession

_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?|\[[0-9a-f:]+\](:[0-9]{1,5})?", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")


def way_back(session: PromptSession, **said: str) -> str:
    """`return_url` with these parameters and the helpdesk's `state`, percent-encoded (RFC 3986, 2.1)."""
    given = said | ({"state": session.state} if session.state is not None else {})
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in given.items())
    address, mark, fragment = session.return_url.partition("#")
    joint = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{joint}{query}{mark}{fragment}"


def form_target(session: PromptSession) -> str:
    """What a page's policy lets its form lead to: browsers hold the redirect after it to `form-action` (CSP 3, 6.4.1).

    The origin alone; of an app the scheme. None of a tenant's text gets into the header unless it has that form.
    """
    parts = urlsplit(session.return_url)
    if parts.scheme in ("https", "http"):
        return f"{parts.scheme}://{parts.netloc}" if _HOST.fullmatch(parts.netloc) else f"{parts.scheme}:"
    return f"{parts.scheme}:" if _SCHEME.fullmatch(parts.scheme) else ""
