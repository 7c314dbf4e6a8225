"""The summary: what all sellers did together since a time, and what credit they hold now.

It reads the entries since then, in the order of their positions, and the last entry of every seller: some 5 us for each
seller, and as much again for each who did something since.
"""

from collections import defaultdict
from typing import Final

from journal.entry import EntryType
from journal.reading.ranges import Ranges
from journal.reading.records import CurrencySummary, Summary, Total

BEST_SELLERS: Final = 20

NOW: Final = """
SELECT (extract(epoch FROM now()) * 1000000)::bigint, coalesce((SELECT max(e.position) FROM {cell}.entries e), 0)"""
BALANCES: Final = """
SELECT a.currency, count(*), sum(e.available_after), sum(e.held_after)
FROM {cell}.accounts a CROSS JOIN LATERAL (
    SELECT e.available_after, e.held_after FROM {cell}.entries e
    WHERE e.seller_id = a.seller_id ORDER BY e.seq DESC LIMIT 1) e
GROUP BY a.currency ORDER BY count(*) DESC, a.currency"""
# $1 position and $2 time of the first entry; $3 how many of the best sellers of each currency. By seller first, so that
# the join is of sellers, not of entries. A row is of a type, or of a seller.
DONE_SINCE: Final = """
WITH done AS MATERIALIZED (
    SELECT a.currency, s.* FROM (
        SELECT e.seller_id, e.type, count(*) AS count, sum(e.amount) AS amount,
            sum(CASE e.type WHEN 'charge' THEN -e.amount WHEN 'capture' THEN -e.held_change ELSE 0 END) AS sold
        FROM {cell}.entries e WHERE e.position >= $1 AND e.at_us >= $2 GROUP BY e.seller_id, e.type) s
    JOIN {cell}.accounts a ON a.seller_id = s.seller_id)
SELECT currency, type, NULL::text, sum(count), sum(amount), sum(sold)
FROM done GROUP BY currency, type
UNION ALL (
    SELECT currency, NULL, seller_id::text, NULL, NULL, sold FROM (
        SELECT currency, seller_id, sum(sold) AS sold,
            row_number() OVER (PARTITION BY currency ORDER BY sum(sold) DESC, seller_id) AS place
        FROM done GROUP BY currency, seller_id HAVING sum(sold) > 0) sellers
    WHERE place <= $3 ORDER BY currency, place)"""


class Summaries(Ranges):
    async def summary(self, from_us: int) -> Summary:
        """Of the entries from `from_us` on; the balances, of the same moment, are the present ones."""
        first, _ = await self._positions(from_us, None)
        ((as_of_us, position),), balances, done = await self._fetch_at_once(
            (NOW,), (BALANCES,), (DONE_SINCE, first, from_us, BEST_SELLERS)
        )
        sold: defaultdict[str, int] = defaultdict(int)
        totals: defaultdict[str, dict[EntryType, Total]] = defaultdict(dict)
        best: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for currency, type_, seller_id, count, amount, sold_by in done:
            if type_ is None:
                best[currency].append((seller_id, int(sold_by)))
            else:
                totals[currency][EntryType(type_)] = Total(int(count), int(amount))
                sold[currency] += int(sold_by)
        return Summary(
            as_of_us,
            position,
            [
                CurrencySummary(
                    currency, sellers, int(available), int(held), sold[currency], totals[currency], best[currency]
                )
                for currency, sellers, available, held in balances
            ],
        )
