"""Every call of the API, in one table, and what is served beside it."""

from aiohttp import hdrs, web

from services.gateway.api.account_routes import ACCOUNT_ROUTES, RECOVERY_ROUTES
from services.gateway.api.admin_routes import ADMIN_ROUTES
from services.gateway.api.call import Deps
from services.gateway.api.factor_routes import FACTOR_ROUTES
from services.gateway.api.login_routes import LOGIN_ROUTES
from services.gateway.api.page import Page
from services.gateway.api.pages import PAGES
from services.gateway.api.prompt_pages import PROMPT_PAGES
from services.gateway.api.report_routes import REPORT_ROUTES
from services.gateway.api.route import Route, served
from services.gateway.api.tenant_routes import TENANT_ROUTES
from services.gateway.api.webhook_routes import WEBHOOK_ROUTES
from services.gateway.middleware import BUDGETS

ROUTES: tuple[Route, ...] = (
    *ACCOUNT_ROUTES,
    *LOGIN_ROUTES,
    *FACTOR_ROUTES,
    *RECOVERY_ROUTES,
    *ADMIN_ROUTES,
    *TENANT_ROUTES,
    *WEBHOOK_ROUTES,
    *REPORT_ROUTES,
)

BESIDE: tuple[Page, ...] = (*PAGES, *PROMPT_PAGES)
"""What is served beside the calls of the API."""


def add_routes(app: web.Application, deps: Deps) -> None:
    """Serve the table, and the pages. What may be read may be asked for its head (RFC 9110, 9.1)."""
    app[BUDGETS] = {(route.method, route.path): route.budget for route in ROUTES if route.budget is not None}
    served_routes = [(route.method, route.path, served(route, deps)) for route in ROUTES]
    for method, path, handler in [*served_routes, *((page.method, page.path, page.handler) for page in BESIDE)]:
        app.router.add_route(method, path, handler)
        if method == hdrs.METH_GET:
            app.router.add_route(hdrs.METH_HEAD, path, handler)


def listed() -> list[Route | Page]:
    """All that the OpenAPI document speaks of."""
    return [*ROUTES, *BESIDE]
