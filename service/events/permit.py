"""The permit of a stream: the credential that opened it, asked about again and again.

A stream lives for hours, a credential may end at any moment. So the permit is asked before anything is sent, from
memory, as a request would be; what memory does not know, the database is asked. An answer of the database counts for
`ASKED_S`, so that streams go on while memory cannot be trusted, and a revocation is in force within a second even
then.
"""

from typing import Final

from actors.directory import Overloaded
from journal.store import JournalFault
from service.identity.credentials import Credentials
from service.identity.instants import Monotonic

ASKED_S: Final = 0.5


class Permit:
    def __init__(self, credentials: Credentials, authorization: str | None, monotonic: Monotonic) -> None:
        self._credentials = credentials
        self._authorization = authorization
        self._monotonic = monotonic
        self._holds_until = 0.0

    def holds(self) -> bool:
        """Whether it is certainly in force. A plain look-up; False means: `ask`."""
        return self._credentials.principal(self._authorization) is not None or self._monotonic() < self._holds_until

    async def ask(self) -> bool | None:
        """Whether the database has it in force; None when it cannot say now."""
        asked_at = self._monotonic()
        try:
            principal = await self._credentials.load(self._authorization)
        except (JournalFault, Overloaded):
            return None
        if principal is None:
            return False
        self._holds_until = asked_at + ASKED_S
        return True
