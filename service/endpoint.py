"""What all requests have in common, around the handler of each route: one wrapper per route, no middlewares.

In this order: the request's id; a refusal if this is a standby; authentication; authorisation; a seller's turn; the
handler; problems, faults and bugs turned into answers; headers and metrics. Nothing here knows what a route does.

Cancelling a handler does not cancel what it has asked of an actor.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from aiohttp import web

from actors.actor import UnknownSeller
from actors.directory import Draining, Overloaded, RateLimited
from journal.journal import JournalState, Standby
from journal.reader import WrongKey
from journal.store import JournalFault
from service.admission import is_gone
from service.http.decode import AFTER_WAIT
from service.http.headers import is_request_id, request_ids
from service.http.json_response import REQUEST_ID, JsonResponse
from service.http.request_loop import Answer, Answerer
from service.identity.bearer import CredentialKind
from service.identity.credentials import Principal
from service.problems import Problem, ProblemCode, invalid, not_found, of_http_error, of_journal_fault

if TYPE_CHECKING:
    from service.app import Services

log = logging.getLogger(__name__)

Handler = Callable[..., Awaitable[Answer]]
"""`handler(request, principal)`, or `handler(request)` where anyone may call."""

ID_OF_REQUEST: Final = web.RequestKey("id", str)
"""For those who write about a request: into a log, or into the head of a stream."""
CLIENT_GONE: Final = 499
"""nginx's status for a client that has closed the connection. Counted and logged only: it cannot be sent."""


class Who(StrEnum):
    """Who may call a route. Which objects of it are theirs, the handler sees to."""

    ANYONE = "anyone"
    ANY = "any"
    """Whoever has credentials."""
    ADMIN = "admin"
    SELLER = "seller"
    ANY_BY_TOKEN = "any, by token"
    """For passwords and keys: whoever finds an API key must not be able to make another one of it."""
    SELLER_BY_TOKEN = "seller, by token"


_ROLES: Final = {Who.ADMIN: "admin", Who.SELLER: "seller", Who.SELLER_BY_TOKEN: "seller"}
_BY_TOKEN: Final = frozenset({Who.ANY_BY_TOKEN, Who.SELLER_BY_TOKEN})


class Endpoint:
    """Wraps handlers. Made once."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._admission = services.admission
        self._journal = services.journal
        self._directory = services.directory
        self._metrics = services.metrics
        self._writers, self._non_writers = services.writers, services.non_writers
        self._new_request_id = request_ids()

    def wrap(self, handler: Handler, who: Who, method: str, path: str) -> Answerer:
        """`path` is the route's, with the names of its parameters: it is what metrics and logs show."""
        services = self._services
        admission, directory, new_request_id = self._admission, self._directory, self._new_request_id
        # `Who.SELLER`: charges and credit requests, all of which make entries.
        turnstile = self._writers if who is Who.SELLER else self._non_writers
        is_guarded = path.startswith("/v1/")
        is_logged = services.settings.access_log
        role, is_by_token = _ROLES.get(who), who in _BY_TOKEN
        measured = self._metrics.route(method, path)
        clock = time.perf_counter

        async def answer(request: web.Request) -> Answer:
            started = clock()
            services.requests_in_flight += 1
            given = request.headers.get(REQUEST_ID)
            id_of_request = given if given is not None and is_request_id(given) else new_request_id()
            request[ID_OF_REQUEST] = id_of_request
            principal: Principal | None = None
            response: Answer
            try:
                if is_guarded and self._journal.state is not JournalState.LEADING:
                    raise Standby
                if who is Who.ANYONE:
                    response = await handler(request)
                else:
                    principal = admission.known(request) or await admission.load(request)
                    if role is not None and principal.role != role:
                        raise Problem(ProblemCode.FORBIDDEN)
                    if is_by_token and principal.kind is not CredentialKind.TOKEN:
                        raise Problem(ProblemCode.FORBIDDEN, "An API key cannot do this; sign in.")
                    if principal.role == "seller":
                        turn = turnstile.enter(principal.user_id)
                        if turn is not None:
                            if (refused := await turn) is not None:
                                raise refused
                            principal = await admission.again(request)
                    if not request.content.is_eof():
                        request[AFTER_WAIT] = admission.again
                    response = await handler(request, principal)
            except Exception as error:
                response = _answer_to(error, request, id_of_request, path)
            finally:
                services.requests_in_flight -= 1
            if isinstance(response, JsonResponse):
                response.request_id = id_of_request
                response.is_last = response.is_last or directory.is_draining
            elif not response.prepared:
                response.headers[REQUEST_ID] = id_of_request
                if directory.is_draining:
                    response.force_close()
            duration_s = clock() - started
            measured(response.status, duration_s)
            if is_logged:
                log.info("request", extra=_line(request, path, response.status, duration_s, principal))
            return response

        return answer


def _line(
    request: web.Request, path: str, status: int, duration_s: float, principal: Principal | None
) -> dict[str, object]:
    """Of the access log. The path is the route's: queries and ids may be personal. Who acted is known by their id."""
    return {
        "request_id": request[ID_OF_REQUEST],
        "method": request.method,
        "path": path,
        "status": status,
        "duration_ms": round(duration_s * 1000, 2),
        "principal": principal.user_id if principal is not None else None,
    }


def _answer_to(error: Exception, request: web.Request, id_of_request: str, path: str) -> JsonResponse:
    problem = _problem_of(error)
    if problem is None:
        if is_gone(request):
            return JsonResponse(b"", CLIENT_GONE)
        # A bug of ours: all of it into the log, nothing of it to the client.
        log.error("request_failed", exc_info=error, extra={"request_id": id_of_request, "path": path})
        problem = Problem(ProblemCode.INTERNAL_ERROR)
    return problem.response(id_of_request)


def _problem_of(error: Exception) -> Problem | None:
    """The problem that a handler raised, or that a fault from below means; None for what nobody expected."""
    match error:
        case Problem():
            return error
        case Standby():
            # nginx (nginx/routes.conf) takes this as "ask the other one", and a standby has certainly applied nothing.
            return Problem(ProblemCode.STANDBY, headers={"X-Accel-Redirect": "@other_instance"})
        case JournalFault():
            return of_journal_fault(error)
        case RateLimited():
            return Problem(ProblemCode.RATE_LIMITED)
        case Overloaded():
            return Problem(ProblemCode.OVERLOADED)
        case Draining():
            return Problem(ProblemCode.DRAINING)
        case UnknownSeller():
            return not_found()
        case WrongKey():
            return invalid("cursor", "Not a cursor of this list.")
        case web.HTTPException():
            return of_http_error(error)
        case _:
            return None
