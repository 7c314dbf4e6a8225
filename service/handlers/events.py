"""Events: the journal as it grows, as a stream that ends only when it has to."""

from typing import Final

from aiohttp import hdrs, web

from actors.directory import Directory, Draining
from journal.reader import PostedEntry, Reader
from service.endpoint import ID_OF_REQUEST
from service.events.feed import Feed
from service.events.frames import position_of
from service.events.outlet import Outlet
from service.events.permit import Permit
from service.events.register import Register
from service.events.stream import Stream
from service.http import responses
from service.http.json_response import REQUEST_ID
from service.identity.credentials import Credentials, Principal
from service.identity.instants import Monotonic
from service.problems import invalid

_LAST_EVENT_ID: Final = "Last-Event-ID"


class EventHandlers:
    def __init__(
        self,
        feed: Feed,
        register: Register,
        directory: Directory,
        reader: Reader,
        credentials: Credentials,
        monotonic: Monotonic,
    ) -> None:
        self._feed = feed
        self._register = register
        self._directory = directory
        self._reader = reader
        self._credentials = credentials
        self._monotonic = monotonic

    async def stream(self, request: web.Request, principal: Principal) -> web.StreamResponse:
        after = self._begin_after(request)
        if self._directory.is_draining:
            raise Draining
        response = responses.stream(
            "text/event-stream", {"X-Accel-Buffering": "no", REQUEST_ID: request[ID_OF_REQUEST]}
        )
        # Its end is the end of the connection: a client that comes again may be meant for another instance.
        response.force_close()
        if request.method == hdrs.METH_HEAD:
            return response
        with self._register.place(principal.user_id):
            writer = await response.prepare(request)
            if writer is None or request.transport is None:
                return response
            permit = Permit(self._credentials, request.headers.get(hdrs.AUTHORIZATION), self._monotonic)
            await self._register.serve(
                Stream(
                    self._feed,
                    self._pages,
                    Outlet(request, request.transport, writer),
                    permit,
                    principal.seller_id,
                    after,
                )
            )
        return response

    def _begin_after(self, request: web.Request) -> int:
        """The position that the client has seen last; without it, the present one."""
        given = request.headers.getall(_LAST_EVENT_ID, None)
        if given is None:
            return self._feed.position
        if len(given) != 1:
            raise invalid(_LAST_EVENT_ID, "Given more than once.")
        position = position_of(given[0])
        if position is None or position > self._feed.position:
            # Not even of the future: it would silently leave out what is between.
            raise invalid(_LAST_EVENT_ID, "Not the id of an event of this journal.")
        return position

    async def _pages(self, position: int, seller_id: str | None, limit: int) -> list[PostedEntry]:
        return await self._reader.after(position, seller_id=seller_id, limit=limit)
