"""The trial balance: over all sellers, what went into each account and what came out of it."""

from aiohttp import web

from journal.money import format_minor
from journal.reader import Reader
from journal.times import format_time
from service.http import responses
from service.http.json_response import JsonResponse
from service.identity.credentials import Principal
from service.wire import answers as wire


class TrialBalanceHandlers:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def get(self, request: web.Request, principal: Principal) -> JsonResponse:
        found = await self._reader.trial_balance()
        return responses.answer(
            wire.TrialBalance(
                format_time(found.as_of_us),
                [
                    wire.CurrencyTotals(
                        each.currency,
                        [
                            wire.LedgerTotals(
                                ledger.account,
                                format_minor(ledger.debits, each.currency),
                                format_minor(ledger.credits, each.currency),
                                format_minor(ledger.balance, each.currency),
                            )
                            for ledger in each.accounts
                        ],
                        format_minor(each.total_debits, each.currency),
                        format_minor(each.total_credits, each.currency),
                        each.is_balanced,
                    )
                    for each in found.currencies
                ],
            )
        )
