"""The gateway, put together."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from services.gateway.api.call import (
    CANCEL_PAGE,
    DEPS,
    DOWNLOAD_PAGE,
    HOSTED_PAGES,
    HTML,
    NOT_ME_PAGE,
    Deps,
)
from services.gateway.api.contacts import Contacts
from services.gateway.api.documents import DOCUMENTS, Documents
from services.gateway.api.known_keys import Keys
from services.gateway.api.routes import add_routes, listed
from services.gateway.downloads import Downloads
from services.gateway.ingress import Ingress
from services.gateway.listening import ApplicationRunner
from services.gateway.middleware import SETTINGS, around
from services.gateway.prompt.asking import Questions
from services.gateway.prompt.enrol import EnrolPage
from services.gateway.prompt.kinds import PromptKind
from services.gateway.prompt.not_me import NotMePage
from services.gateway.prompt.recovery import RecoveryPage
from services.gateway.prompt.recovery_cancel import RecoveryCancelPage
from services.gateway.prompt.rendering import Pages
from services.gateway.prompt.report_download import ReportDownloadPage
from services.gateway.prompt.sessions import HostedPage, HostedPages
from services.gateway.prompt.sign_in import SignInPage
from services.gateway.queries.accepted_events import purge_events
from services.gateway.queries.prompt_sessions import purge_sessions
from services.gateway.replies import Asker
from services.gateway.settings import GatewaySettings
from shared.crypto.keyring import KeyRing
from shared.db.pool import Database
from shared.http.health import HEALTH
from shared.messaging.answers import purge_answers
from shared.messaging.dead_letters import Parker
from shared.messaging.topology import GATEWAY_INGRESS
from shared.process import Core, open_core
from shared.schedule import Every, run_schedule
from shared.settings import Transport

MAX_BODY = 64 * 1024  # bytes
RINGS = ("seal.gateway", "seal.otp_worker", "seal.notifier", "seal.policy", "digest.gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A gateway that listens."""

    core: Core
    url: str


@contextlib.asynccontextmanager
async def serve(settings: GatewaySettings) -> AsyncIterator[Serving]:
    """Listen until the block ends; then take nothing new, finish what is in flight, close."""
    async with open_core(settings, name="gateway", rings=RINGS) as core:
        core.spawn(run_schedule(SCHEDULE, core.database))
        runner = ApplicationRunner(application(settings, core), settings)
        await runner.setup()
        try:
            site = web.TCPSite(runner, settings.host, settings.port)
            await site.start()
            if settings.bus is Transport.RABBITMQ:  # last: nobody at the door waits for a broker that hangs
                await _listen_to_tenants(core)
            yield Serving(core=core, url=_url(settings, runner))
        finally:
            core.health.is_leaving = True
            await runner.cleanup()


def application(settings: GatewaySettings, core: Core) -> web.Application:
    """The HTTP application: one middleware, the table of routes, what they need."""
    asker = Asker(core.bus, core.health, core.ring("seal.gateway"))
    html = Pages()
    downloads = Downloads(asker, core.ring("seal.policy"))
    app = web.Application(middlewares=[around], client_max_size=MAX_BODY)
    app[SETTINGS] = settings
    app[HEALTH] = core.health
    app[HTML] = html
    app[CANCEL_PAGE] = RecoveryCancelPage(html, asker, core.ring("seal.policy"), settings.public_url)
    app[NOT_ME_PAGE] = NotMePage(html, asker, core.ring("seal.notifier"), settings.public_url)
    app[DOWNLOAD_PAGE] = ReportDownloadPage(html, downloads, settings.public_url)
    app[HOSTED_PAGES] = HostedPages(
        html,
        core.database,
        core.health,
        _kinds(html, Questions(asker), core.ring("seal.otp_worker")),
        settings.public_url,
    )
    app[DOCUMENTS] = Documents(listed(), settings)
    app[DEPS] = Deps(
        settings=settings,
        asker=asker,
        health=core.health,
        database=core.database,
        relay=core.relay,
        keys=Keys(core.database),
        contacts=_contacts(core),
        downloads=downloads,
        answers=core.ring("seal.gateway"),
        typed=core.ring("seal.otp_worker"),
        notifier=core.ring("seal.notifier"),
        digests=core.ring("digest.gateway"),
    )
    add_routes(app, app[DEPS])
    return app


def _kinds(html: Pages, questions: Questions, typed: KeyRing) -> dict[PromptKind, HostedPage]:
    """The hosted pages that there are: `kinds.SERVED`."""
    recovery = RecoveryPage(html, questions, typed)
    return {
        PromptKind.SIGN_IN: SignInPage(html, questions, typed, recovery),
        PromptKind.ENROL: EnrolPage(html, questions, typed),
        PromptKind.RECOVERY: recovery,
    }


async def _listen_to_tenants(core: Core) -> None:
    """Take what tenants publish themselves. The PostgreSQL lanes have no sign-in that could tell them apart."""
    ingress = Ingress(core.database, core.relay, _contacts(core), core.ring("seal.gateway"))
    await core.bus.consume_dead([GATEWAY_INGRESS], Parker(core.database, prepare=ingress.prepare).receive)
    await core.bus.consume(GATEWAY_INGRESS, ingress.receive)


def _contacts(core: Core) -> Contacts:
    return Contacts(destinations=core.ring("seal.notifier"), digests=core.ring("digest.gateway"))


async def _purge(database: Database) -> bool:
    """Forget events that were handed in a week ago, and answers and sessions of pages whose time is over."""
    async with database.transaction(work_queues=True) as conn:
        has_answers = await purge_answers(conn)
        has_events = await purge_events(conn) > 0
        has_sessions = await purge_sessions(conn) > 0
    return has_answers or has_events or has_sessions


SCHEDULE = (Every(dt.timedelta(minutes=5), _purge),)


def _url(settings: GatewaySettings, runner: web.AppRunner) -> str:
    """Where it listens; port 0 became a real one."""
    port = runner.addresses[0][1]
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 - compared, not bound
    return f"http://{host}:{port}"
