"""Verification of the journal: started, and looked at while it goes on."""

from aiohttp import web

from journal.times import format_time
from service.http import responses
from service.http.decode import BodyDecoder
from service.http.json_response import JsonResponse
from service.http.query import path_id
from service.identity.credentials import Principal
from service.problems import not_found
from service.verification_runs import VerificationRun, VerificationRuns
from service.wire import answers as wire
from service.wire import requests


class VerificationHandlers:
    def __init__(self, runs: VerificationRuns) -> None:
        self._runs = runs
        self._nothing = BodyDecoder(requests.Nothing, may_be_absent=True)

    async def start(self, request: web.Request, principal: Principal) -> JsonResponse:
        """While one runs, that one is answered: a second would only make both slower."""
        await self._nothing.read(request)
        return responses.answer(_verification(await self._runs.start()), 202)

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        run = await self._runs.find(path_id(request))
        if run is None:
            raise not_found()
        return responses.answer(_verification(run))


def _verification(run: VerificationRun) -> wire.Verification:
    progress, bad = run.progress, run.progress.first_bad
    return wire.Verification(
        id=run.id,
        status=run.status,
        sellers_done=progress.sellers_done,
        sellers_total=progress.sellers_total,
        entries_checked=progress.entries_checked,
        first_bad=None if bad is None else wire.FirstBad(bad.seller_id, bad.seq, bad.reason),
        started_at=format_time(run.started_at_us),
        finished_at=None if run.finished_at_us is None else format_time(run.finished_at_us),
    )
