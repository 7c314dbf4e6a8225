"""The summary: what all sellers did together since a time."""

from aiohttp import web

from journal.entry import EntryType
from journal.money import format_minor
from journal.reader import CurrencySummary, Reader, Total
from journal.times import format_time
from service import answers
from service.http import responses
from service.http.json_response import JsonResponse
from service.http.query import QueryDecoder
from service.identity.credentials import Principal
from service.wire import answers as wire
from service.wire import queries


class SummaryHandlers:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._query = QueryDecoder(queries.Summary)

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        from_us = self._query.read(request).from_us or 0
        found = await self._reader.summary(from_us)
        return responses.answer(
            wire.Summary(
                from_=format_time(from_us),
                as_of=format_time(found.as_of_us),
                position=found.position,
                currencies=[_shown(each) for each in found.currencies],
            )
        )


def _shown(found: CurrencySummary) -> wire.CurrencySummary:
    currency = found.currency
    return wire.CurrencySummary(
        currency=currency,
        sellers=found.sellers,
        available=format_minor(found.available, currency),
        held=format_minor(found.held, currency),
        sold=format_minor(found.sold, currency),
        refunded=format_minor(found.totals.get(EntryType.REFUND, Total(0, 0)).amount, currency),
        totals=answers.totals(found.totals, currency),
        best_sellers=[wire.BestSeller(seller_id, format_minor(sold, currency)) for seller_id, sold in found.best],
    )
