"""The routes: one table, from which routing, documentation, the answers to wrong methods, and the tests of roles
are made. Handlers are built here from the services, and know nothing of each other.

Adding a route: 1. its handler in `service/handlers/`; 2. its `Operation` in `service/swagger/operations.py`, which puts
it into the API's contract, `/swagger.json`; 3. its row here; 4. its line in `tests/service/test_routes.py`.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NoReturn

from aiohttp import hdrs, web
from msgspec import Struct

from journal.journal import boot_time_s
from service import console
from service.endpoint import Endpoint, Handler, Who
from service.handlers.admins import AdminHandlers
from service.handlers.api_keys import ApiKeyHandlers
from service.handlers.auth import AuthHandlers
from service.handlers.balance import BalanceHandlers
from service.handlers.batches import BatchHandlers
from service.handlers.charges import ChargeHandlers
from service.handlers.credit_requests import CreditRequestHandlers
from service.handlers.events import EventHandlers
from service.handlers.health import HealthHandlers
from service.handlers.scope import Scope
from service.handlers.sellers import SellerHandlers
from service.handlers.statement import StatementHandlers
from service.handlers.summary import SummaryHandlers
from service.handlers.transactions import TransactionHandlers
from service.handlers.trial_balance import TrialBalanceHandlers
from service.handlers.verification import VerificationHandlers
from service.http.client_address import client_address_behind
from service.http.decode import BODY_SIZE_MAX, expect
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder
from service.http.request_loop import FIXED_ROUTES, Answer, Answerer
from service.identity.credentials import Principal
from service.problems import Problem, ProblemCode, not_found
from service.swagger import operations
from service.swagger import ui as swagger_ui
from service.swagger.document import Documented, Operation, document
from service.wire import queries

if TYPE_CHECKING:
    from service.app import Services

_FILE_OF_A_PAGE: Final = re.compile(r"(/console/|/swagger/).+")
"""Metrics and logs have one name for all of them: their own change with every release."""


class Route(Struct, frozen=True):
    method: str
    path: str
    handler: Handler
    who: Who
    operation: Operation


def application_of(services: "Services") -> web.Application:
    """The whole application: every route, its documentation, and a problem for everything else."""
    application = web.Application(client_max_size=BODY_SIZE_MAX)
    application[FIXED_ROUTES] = {}
    endpoint = Endpoint(services)
    table = routes(services)
    methods: dict[str, list[str]] = {}
    for route in table:
        methods.setdefault(route.path, []).append(route.method)
        handler = _without_parameters(route.handler) if _has_no_parameters(route) else route.handler
        _add(application, endpoint, route.method, route.path, handler, route.who)
        if route.method == hdrs.METH_GET:
            methods[route.path].append(hdrs.METH_HEAD)
            _add(application, endpoint, hdrs.METH_HEAD, route.path, handler, route.who)
    documented = [Documented(route.method, route.path, route.who, route.operation) for route in table]
    pages = swagger_ui.pages(document(application, documented, version=version("charge-shop"))) | console.pages()
    for path, page in pages.items():
        methods[path] = [hdrs.METH_GET, hdrs.METH_HEAD]
        for method in methods[path]:
            _add(application, endpoint, method, path, page, Who.ANYONE)
    # After everything else: what no route takes.
    for path, allowed in methods.items():
        _add(application, endpoint, hdrs.METH_ANY, path, _refusal(allowed), Who.ANYONE)
    _add(application, endpoint, hdrs.METH_ANY, r"/{path:[\s\S]*}", _nothing_here, Who.ANYONE)
    return application


def _add(application: web.Application, endpoint: Endpoint, method: str, path: str, handler: Handler, who: Who) -> None:
    answerer = endpoint.wrap(handler, who, method, _FILE_OF_A_PAGE.sub(r"\1{file}", path))
    application.router.add_route(method, path, _for_aiohttp(answerer), expect_handler=expect)
    if "{" not in path and method not in (hdrs.METH_HEAD, hdrs.METH_ANY):
        application[FIXED_ROUTES][method, path] = answerer


def _for_aiohttp(answerer: Answerer) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        answer = await answerer(request)
        return answer.for_aiohttp() if isinstance(answer, JsonResponse) else answer

    return answer


def _has_no_parameters(route: Route) -> bool:
    """What watches over the service may ask as it likes."""
    return route.path.startswith("/v1/") and route.operation.query is None


def _without_parameters(handler: Handler) -> Handler:
    """Refuses the parameters of a query where the others refuse unknown ones. Who asks for `/capture?amount=5` means
    that, and would capture all."""
    read = QueryDecoder(queries.NoQuery).read

    def refuse_or_handle(request: web.Request, *principal: Principal) -> Awaitable[Answer]:
        if "?" in request.raw_path:
            read(request)
        return handler(request, *principal)

    return refuse_or_handle


def _refusal(allowed: Sequence[str]) -> Handler:
    async def method_not_allowed(request: web.Request) -> NoReturn:
        raise Problem(ProblemCode.METHOD_NOT_ALLOWED, headers={hdrs.ALLOW: ", ".join(allowed)})

    return method_not_allowed


async def _nothing_here(request: web.Request) -> NoReturn:
    raise not_found()


def routes(services: "Services") -> tuple[Route, ...]:
    """Every operation of the API."""
    settings = services.settings
    directory, reader = services.directory, services.reader
    scope = Scope(directory, services.known_sellers)
    auth = AuthHandlers(services.sign_in, services.tokens, scope, client_address_behind(settings.trusted_proxies))
    api_keys = ApiKeyHandlers(services.api_keys, scope, services.admission)
    admins = AdminHandlers(services.users, services.admission)
    sellers = SellerHandlers(
        services.sellers, services.users, directory, reader, scope, services.admission, settings.currency
    )
    credit_requests = CreditRequestHandlers(directory, reader, scope)
    balance = BalanceHandlers(reader, scope)
    charges = ChargeHandlers(directory, reader, scope, settings.default_region)
    batches = BatchHandlers(directory, services.writers, services.admission, scope, settings.default_region)
    transactions = TransactionHandlers(reader, scope, services.admission)
    events = EventHandlers(services.feed, services.event_streams, directory, reader, services.credentials, boot_time_s)
    statement = StatementHandlers(reader, services.sellers, scope, services.sources.now_us)
    summary = SummaryHandlers(reader)
    trial_balance = TrialBalanceHandlers(reader)
    verification = VerificationHandlers(services.verification_runs)
    health = HealthHandlers(services.journal, directory, services.metrics)
    return (
        Route("POST", "/v1/auth/token", auth.issue_token, Who.ANYONE, operations.SIGN_IN),
        Route("DELETE", "/v1/auth/token", auth.end_token, Who.ANY_BY_TOKEN, operations.SIGN_OUT),
        Route("GET", "/v1/auth/me", auth.me, Who.ANY, operations.ME),
        Route("POST", "/v1/auth/password", auth.change_password, Who.ANY_BY_TOKEN, operations.CHANGE_PASSWORD),
        Route("POST", "/v1/api-keys", api_keys.create, Who.SELLER_BY_TOKEN, operations.CREATE_API_KEY),
        Route("GET", "/v1/api-keys", api_keys.list, Who.SELLER_BY_TOKEN, operations.LIST_API_KEYS),
        Route("DELETE", "/v1/api-keys/{id}", api_keys.revoke, Who.SELLER_BY_TOKEN, operations.REVOKE_API_KEY),
        Route("GET", "/v1/admins", admins.list, Who.ADMIN, operations.LIST_ADMINS),
        Route("POST", "/v1/admins", admins.create, Who.ADMIN, operations.CREATE_ADMIN),
        Route("PATCH", "/v1/admins/{id}", admins.change, Who.ADMIN, operations.CHANGE_ADMIN),
        Route("POST", "/v1/sellers", sellers.create, Who.ADMIN, operations.CREATE_SELLER),
        Route("GET", "/v1/sellers", sellers.list, Who.ADMIN, operations.LIST_SELLERS),
        Route("GET", "/v1/sellers/{id}", sellers.get, Who.ANY, operations.SHOW_SELLER),
        Route("PATCH", "/v1/sellers/{id}", sellers.change, Who.ADMIN, operations.CHANGE_SELLER),
        Route("POST", "/v1/sellers/{id}/password", sellers.reset_password, Who.ADMIN, operations.RESET_PASSWORD),
        Route("POST", "/v1/sellers/{id}/adjustments", sellers.adjust, Who.ADMIN, operations.ADJUST),
        Route("POST", "/v1/credit-requests", credit_requests.create, Who.SELLER, operations.CREATE_CREDIT_REQUEST),
        Route("GET", "/v1/credit-requests", credit_requests.list, Who.ANY, operations.LIST_CREDIT_REQUESTS),
        Route("GET", "/v1/credit-requests/{id}", credit_requests.get, Who.ANY, operations.SHOW_CREDIT_REQUEST),
        Route("POST", "/v1/credit-requests/{id}/approve", credit_requests.approve, Who.ADMIN, operations.APPROVE),
        Route("POST", "/v1/credit-requests/{id}/reject", credit_requests.reject, Who.ADMIN, operations.REJECT),
        Route("POST", "/v1/credit-requests/{id}/cancel", credit_requests.cancel, Who.SELLER, operations.CANCEL),
        Route("GET", "/v1/balance", balance.get, Who.ANY, operations.SHOW_BALANCE),
        Route("POST", "/v1/charges", charges.create, Who.SELLER, operations.CREATE_CHARGE),
        Route("POST", "/v1/charges/batch", batches.create, Who.SELLER, operations.CREATE_BATCH),
        Route("GET", "/v1/charges", charges.list, Who.ANY, operations.LIST_CHARGES),
        Route("GET", "/v1/charges/{id}", charges.get, Who.ANY, operations.SHOW_CHARGE),
        Route("POST", "/v1/charges/{id}/capture", charges.capture, Who.SELLER, operations.CAPTURE_CHARGE),
        Route("POST", "/v1/charges/{id}/void", charges.void, Who.SELLER, operations.VOID_CHARGE),
        Route("POST", "/v1/charges/{id}/refund", charges.refund, Who.ADMIN, operations.REFUND_CHARGE),
        Route("GET", "/v1/transactions", transactions.list, Who.ANY, operations.LIST_TRANSACTIONS),
        Route("GET", "/v1/transactions.csv", transactions.export, Who.ANY, operations.EXPORT_TRANSACTIONS),
        Route("GET", "/v1/transactions/{id}", transactions.get, Who.ANY, operations.SHOW_TRANSACTION),
        Route("GET", "/v1/statement", statement.get, Who.ANY, operations.SHOW_STATEMENT),
        Route("GET", "/v1/events", events.stream, Who.ANY, operations.STREAM_EVENTS),
        Route("GET", "/v1/summary", summary.get, Who.ADMIN, operations.SHOW_SUMMARY),
        Route("GET", "/v1/trial-balance", trial_balance.get, Who.ADMIN, operations.SHOW_TRIAL_BALANCE),
        Route("POST", "/v1/verification", verification.start, Who.ADMIN, operations.START_VERIFICATION),
        Route("GET", "/v1/verification/{id}", verification.get, Who.ADMIN, operations.SHOW_VERIFICATION),
        Route("GET", "/healthz", health.live, Who.ANYONE, operations.LIVE),
        Route("GET", "/readyz", health.ready, Who.ANYONE, operations.READY),
        Route("GET", "/metrics", health.exposed_metrics, Who.ANYONE, operations.METRICS),
    )
