"""A person's browser before the hosted pages: keeps cookies, follows our redirects, sends the forms that it sees."""

import re
from dataclasses import dataclass, field
from html import unescape
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp
from yarl import URL

from tests.support.eventually import eventually

_FORM = re.compile(r"<form [^>]*action=\"([^\"]*)\"[^>]*>(.*?)</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')
_FAULT = re.compile(r'role="alert"[^>]*>([^<]*)<')
_LINK = re.compile(r'<a href="([^"]*)">([^<]*)</a>')

Form = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the browser shows, or where it was sent."""

    status: int
    text: str = field(repr=False)
    location: str | None  # of the redirect that leads away from us
    headers: dict[str, str] = field(repr=False)

    @property
    def forms(self) -> list[tuple[str, Form]]:
        """Action and hidden fields of each."""
        return [
            (unescape(action), {name: unescape(value) for name, value in _HIDDEN.findall(inside)})
            for action, inside in _FORM.findall(self.text)
        ]

    def form(self, action: str = "verify") -> tuple[str, Form]:
        """The form that does this."""
        [found] = [each for each in self.forms if each[1]["action"] == action]
        return found

    @property
    def fault(self) -> str | None:
        """What went wrong, in words."""
        found = _FAULT.search(self.text)
        return unescape(found[1]) if found else None

    @property
    def links(self) -> dict[str, str]:
        """Label → address."""
        return {unescape(label): unescape(address) for address, label in _LINK.findall(self.text)}

    @property
    def said_home(self) -> dict[str, str]:
        """The parameters of the address that the person is back at."""
        assert self.location is not None, (self.status, self.fault)
        return {name: value for name, [value] in parse_qs(urlsplit(self.location).query).items()}


class PromptBrowser:
    """Entered and left as a context manager. ``language``: what the person reads."""

    def __init__(self, url: str, *, language: str = "en") -> None:
        self._url = url
        jar = aiohttp.CookieJar(unsafe=True)  # of a host that is an address
        headers = {"Accept-Language": language, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
        self._session = aiohttp.ClientSession(cookie_jar=jar, headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._session.close()

    @property
    def cookies(self) -> dict[str, str]:
        """Name → value."""
        return {cookie.key: cookie.value for cookie in self._session.cookie_jar}

    def keep(self, name: str, value: str) -> None:
        """A cookie that somebody put there by hand."""
        self._session.cookie_jar.update_cookies({name: value}, URL(self._url))

    async def get(self, url: str) -> Shown:
        """Type an address, or follow a link."""
        return await self._go("GET", url)

    async def send(self, form: tuple[str, Form], *, site: str | None = "same-origin", **typed: str) -> Shown:
        """Press the button of a form. ``site``: where the browser says that the form stood; None: it is an old one."""
        action, hidden = form
        return await self._go("POST", action, {**hidden, **typed}, site)

    async def _go(self, method: str, url: str, form: Form | None = None, site: str | None = None) -> Shown:
        """A person presses once more where a busy machine said "later"."""
        return await eventually(lambda: self._once(method, url, form, site), lambda shown: shown.status != 503)

    async def _once(self, method: str, url: str, form: Form | None, site: str | None) -> Shown:
        headers = {"Sec-Fetch-Site": site} if site is not None else {}
        while True:
            async with self._session.request(
                method, url, data=form, headers=headers, allow_redirects=False
            ) as response:
                location = response.headers.get("Location")
                if location is not None and urljoin(url, location).startswith(self._url):
                    method, url, form, headers = "GET", urljoin(url, location), None, {}
                    continue
                return Shown(
                    status=response.status,
                    text=await response.text(),
                    location=location,
                    headers=dict(response.headers),
                )
