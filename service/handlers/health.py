"""For those who watch over the service: whether it lives, whether it should get requests, what it counts.

`ready` has its reason in one word: `standby`, `draining` or `journal_unavailable`. A service that starts does not
listen yet, or is a standby until it has the lease. A journal that is frozen (restored, and not confirmed yet) is ready:
it answers reads, and an operator has to see it; no other instance could do more. The metric `journal_frozen` tells.
"""

import asyncio

from aiohttp import web

from actors.directory import Directory
from journal.journal import Journal, JournalState
from service.http import responses
from service.http.json_response import JsonResponse
from service.metrics import Metrics, exposition
from service.wire.answers import Health


class HealthHandlers:
    def __init__(self, journal: Journal, directory: Directory, metrics: Metrics) -> None:
        self._journal = journal
        self._directory = directory
        self._metrics = metrics

    async def live(self, request: web.Request) -> JsonResponse:
        """The event loop turns: that is all."""
        return responses.answer(Health("ok"))

    async def ready(self, request: web.Request) -> JsonResponse:
        if self._directory.is_draining:
            status = "draining"
        elif self._journal.state is not JournalState.LEADING:
            status = "standby"
        elif not self._journal.is_ready:
            status = "journal_unavailable"
        else:
            return responses.answer(Health("ready"))
        return responses.answer(Health(status), 503)

    async def exposed_metrics(self, request: web.Request) -> web.Response:
        return responses.plain(*await asyncio.to_thread(exposition, self._metrics.families()))
