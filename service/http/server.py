"""The HTTP server's life: listening, and an end that cuts nobody off.

    SIGTERM or SIGINT -> not ready -> answer what is in flight, each with `Connection: close` -> accept no more
                      -> flush -> give the lease back -> exit

All of it within a bound. aiohttp's own shutdown closes busy keep-alive connections without telling their
clients first, so those are told here: from the first moment of the drain every answer ends its connection.
A SIGKILL needs nothing of this.
"""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Final

from aiohttp import web

from service.http.bounds import Bounds
from service.http.connections import Connections
from service.http.request_loop import FIXED_ROUTES

log = logging.getLogger(__name__)

BACKLOG: Final = 4096
IDLE_GRACE_S: Final = 0.2
"""How long idle connections are kept in a drain: a request that is on its way is answered, not cut."""


class PortInUse(Exception):
    """Another program listens there: stop it, or choose another --port."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, before anything else is started: what cannot be listened on is refused at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as fault:
        raise PortInUse(f"cannot listen on {host} port {port}: {fault.strerror or fault}") from fault
    bound.setblocking(False)
    return bound


def address_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


async def stop_signal() -> None:
    """Waits for the first SIGTERM or SIGINT; a second one ends the process the hard way."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[None] = loop.create_future()

    def on_signal(number: signal.Signals) -> None:
        if received.done():
            loop.remove_signal_handler(number)
            signal.raise_signal(number)
        else:
            received.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    await received


class HttpServer:
    """One application on one bound socket."""

    def __init__(
        self,
        application: web.Application,
        bound: socket.socket,
        in_flight: Callable[[], int],
        bounds: Bounds | None = None,
        is_trusted: Callable[[str], bool] = lambda address: False,
    ) -> None:
        """`in_flight` tells how many requests are being answered; `is_trusted` whether a peer is a proxy of ours."""
        self._bound = bound
        self._in_flight = in_flight
        self._bounds = bounds or Bounds()
        self._is_trusted = is_trusted
        self._fixed_routes = application.get(FIXED_ROUTES, {})
        self._runner = web.AppRunner(application, handle_signals=False, shutdown_timeout=2.0)
        self._connections: Connections | None = None
        self._listening: asyncio.Server | None = None
        self._sweeping: asyncio.Task[None] | None = None

    @property
    def connections_open(self) -> int:
        return len(self._connections) if self._connections is not None else 0

    async def start(self) -> None:
        await self._runner.setup()
        assert self._runner.server is not None
        self._connections = Connections(self._runner.server, self._bounds, self._is_trusted, self._fixed_routes)
        self._sweeping = asyncio.create_task(self._connections.sweep_forever(), name="connections")
        self._sweeping.add_done_callback(_sweeping_ended)
        # Not a site of aiohttp's: the connections are of our own kind.
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._connections.protocol, sock=self._bound, backlog=BACKLOG)

    async def drain(self, timeout_s: float) -> bool:
        """Waits until nothing is in flight any more; False when the time was not enough.

        Whoever connects meanwhile is still answered, to learn that the service stops rather than wonder why nobody is
        there. They must not prolong it, so this ends with the last of the requests that it began with."""
        assert self._connections is not None
        deadline = asyncio.get_running_loop().time() + timeout_s
        answering = self._connections.answering
        begun = answering()
        await _once(lambda: begun.isdisjoint(answering()), deadline)
        await self._stop_accepting()
        await asyncio.sleep(IDLE_GRACE_S)
        if await _once(lambda: not self._in_flight(), deadline):
            return True
        log.warning("drain_incomplete", extra={"in_flight": self._in_flight()})
        return False

    async def _stop_accepting(self) -> None:
        """Whoever has connected by now is answered like everybody else. Those whom the kernel has queued would be reset
        when the listener closes, with the requests that they may have sent: so they are accepted from a duplicate."""
        assert self._listening is not None
        queued = self._bound.dup()
        with queued:
            self._listening.close()
            clients = _accepted(queued)
        await asyncio.gather(*(self._take_in(client) for client in clients))

    async def _take_in(self, client: socket.socket) -> None:
        assert self._connections is not None
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._connections.protocol, client)
        except OSError:  # It has gone meanwhile.
            client.close()

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()
        if self._sweeping is not None:
            self._sweeping.cancel()


async def _once(is_so: Callable[[], bool], deadline: float) -> bool:
    """Waits for something; False when it has not come about by then, on the event loop's clock."""
    loop = asyncio.get_running_loop()
    while not is_so():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(0.01)
    return True


def _accepted(listening: socket.socket) -> list[socket.socket]:
    """Whom the kernel has queued: a plain step, so that hardly anybody can come after it and before the close."""
    clients: list[socket.socket] = []
    while len(clients) < BACKLOG:
        try:
            client, _ = listening.accept()
        except ConnectionAbortedError:
            continue
        except OSError:  # Nobody any more, or no more open files.
            break
        client.setblocking(False)
        clients.append(client)
    return clients


def _sweeping_ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("background_task_died", exc_info=task.exception(), extra={"task": task.get_name()})
