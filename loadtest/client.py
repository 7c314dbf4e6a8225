"""The client: asks a request over HTTP, again where the contract says so, and notes every attempt.

No answer, `outcome_unknown`, and whatever a stranger between us and the service may answer, are *unknown*:
with a key the request is sent again, the very same, until it is answered. `429` and the other `503`s were
certainly not applied and are sent again too, after `Retry-After`. Who is not answered within the client's
patience is given up: `Unreachable`, since nothing can be checked without the service.
"""

import asyncio
import resource
import time
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import msgspec

from loadtest.history import READS, Event, History, Kind, Outcome, Request
from loadtest.spelling import spelled

ATTEMPT_TIMEOUT_S: Final = 30
PAUSE_S: Final = 0.2
"""Before another attempt, where the answer does not say how long."""
PAUSE_MAX_S: Final = 5.0


class Unreachable(Exception):
    """The service did not answer for longer than the client's patience; the text says what, and what came last."""


class UnexpectedAnswer(Exception):
    """A request that prepares the play was not answered as the contract says."""


class Client:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        history: History,
        *,
        patience_s: float = 120,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._history = history
        self._patience_s = patience_s
        self._on_event = on_event

    async def ask(self, request: Request, credential: str) -> Event:
        """The last attempt: answered, unless the request has no key and the only attempt was not."""
        deadline = time.monotonic() + self._patience_s
        while True:
            event, retry_after_s = await self._attempt(request, credential)
            self._history.note(event)
            self._on_event(event)
            outcome = event.outcome
            is_safe = request.key is not None or request.kind in _SAFE_TO_REPEAT
            if outcome is not Outcome.NOT_APPLIED and (outcome is not Outcome.UNKNOWN or not is_safe):
                return event
            if event.status == 500:
                return event
            if time.monotonic() > deadline:
                raise Unreachable(f"{request.kind} was given up: last answered {event.status} {event.answer}")
            await asyncio.sleep(retry_after_s)

    async def _attempt(self, request: Request, credential: str) -> tuple[Event, float]:
        method, path, body = spelled(request)
        headers = {"Authorization": f"Bearer {credential}"}
        if request.key is not None:
            headers["Idempotency-Key"] = request.key
        sent_ns = time.monotonic_ns()
        try:
            status, answer, answered = await self._exchange(method, path, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Event(request, sent_ns, time.monotonic_ns()), PAUSE_S
        answered_ns = time.monotonic_ns()
        is_replay = answered.get("Idempotent-Replayed") == "true"
        return Event(request, sent_ns, answered_ns, status, is_replay, answer), _pause_s(answered)

    async def _exchange(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, bytes, Any]:
        data = None
        if body is not None:
            data = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        async with self._session.request(method, self._url + path, data=data, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    async def call(
        self, method: str, path: str, body: Any = None, *, credential: str | None = None, is_text: bool = False
    ) -> tuple[int, Any]:
        """What prepares or audits the play, and is not part of the history: status and decoded answer.
        Sent again until it is answered by something else than 429 and 5xx.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            headers = {} if credential is None else {"Authorization": f"Bearer {credential}"}
            last, pause_s = "nothing", PAUSE_S
            try:
                status, answer, answered = await self._exchange(method, path, body, headers)
                if status < 500 and status != 429:
                    return status, answer.decode() if is_text else msgspec.json.decode(answer or b"null")
                last, pause_s = f"{status} {answer[:200]!r}", _pause_s(answered)
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                last = repr(error)
            if time.monotonic() > deadline:
                raise Unreachable(f"{method} {path} was given up: last answered {last}")
            await asyncio.sleep(pause_s)

    async def get(self, path: str, credential: str) -> Any:
        """The answer of a GET that has to succeed. Raises UnexpectedAnswer."""
        return await self.expect(200, "GET", path, credential=credential)

    async def expect(self, expected: int, method: str, path: str, body: Any = None, *, credential: str | None) -> Any:
        """Raises UnexpectedAnswer if the status is another."""
        status, answer = await self.call(method, path, body, credential=credential)
        if status != expected:
            raise UnexpectedAnswer(f"{method} {path} answered {status}: {answer}")
        return answer


_SAFE_TO_REPEAT: Final = READS | {Kind.SET_LIMIT}


def _pause_s(headers: Any) -> float:
    text = headers.get("Retry-After", "")
    return min(float(text), PAUSE_MAX_S) if text.isascii() and text.isdigit() else PAUSE_S


def allow_many_connections() -> None:
    """For this process and those that it starts: as many open files as the system lets it have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def new_session() -> aiohttp.ClientSession:
    """Every connection is kept; how many there are is decided by how many requests are in flight."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        timeout=aiohttp.ClientTimeout(total=ATTEMPT_TIMEOUT_S),
        skip_auto_headers=("User-Agent", "Accept-Encoding"),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )
