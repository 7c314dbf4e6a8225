"""Who sent a request, and whether they still may: looked up at its beginning, and again whenever it has waited.

A request may wait for its turn, for the rest of its body, or for a journal that stands still; meanwhile its client may
go, the lease be lost, its credential be revoked. What has not been decided by then is not decided any more.
"""

from typing import Final

from aiohttp import hdrs, web

from journal.journal import Journal, JournalState, Standby
from service.identity.credentials import Credentials, Principal
from service.problems import Problem, ProblemCode


class Admission:
    def __init__(self, journal: Journal, credentials: Credentials) -> None:
        self._journal: Final = journal
        self._credentials: Final = credentials

    def known(self, request: web.Request) -> Principal | None:
        """Whose credential the request carries, from memory; None when it has to be looked up: then `load`."""
        return self._credentials.principal(request.headers.get(hdrs.AUTHORIZATION))

    async def load(self, request: web.Request) -> Principal:
        """Whose credential it carries, as the database knows it. Raises a 401, Overloaded or JournalUnavailable."""
        principal = await self._credentials.load(request.headers.get(hdrs.AUTHORIZATION))
        if principal is None:
            raise Problem(ProblemCode.UNAUTHENTICATED)
        return principal

    async def again(self, request: web.Request) -> Principal:
        """After a wait, before anything is decided. Raises what `load` does, Standby, or, for a client that has gone, a
        ConnectionResetError: under overload many give up, and serving those who still wait comes first."""
        if is_gone(request):
            raise ConnectionResetError("the client has gone")
        if self._journal.state is not JournalState.LEADING:
            raise Standby
        return self.known(request) or await self.load(request)


def is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
