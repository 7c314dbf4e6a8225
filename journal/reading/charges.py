"""Charges: by what they are looked for, newest first, and one by its id.

A charge stands in the journal as the entry that opened it; what became of it stands in the projection, unless
nothing did. The narrowest of the filters leads, by an index of its own, and the others are checked on what it
finds: the idempotency key, the reference, the phone number, then a status that charges have a row for, or
`declined` entries. Without any of these the entries themselves are read from the newest back: in a journal that
is mostly something else such a page reads on until it is full (about 1 us for an entry that is passed over).
"""

from typing import Final

from journal.entry import CHARGE_OPENERS
from journal.ids import seq_of
from journal.projections import ChargeStatus
from journal.reading.cell import BIGGEST
from journal.reading.records import Key, SubjectRecord
from journal.reading.subjects import ID_MIN, OPENING_COLUMNS, Subjects, id_at, id_before, number_before

_OPENING: Final = f"""
SELECT {OPENING_COLUMNS}, coalesce(
    (SELECT c.last_seq FROM {{cell}}.charges c WHERE c.seller_id = e.seller_id AND c.seq = e.seq), e.seq) AS last_seq"""
_SELECT: Final = f"{_OPENING} FROM {{cell}}.entries e"

# Two things keep the planner from the wrong index. `+ 0` takes a column's index out of its choice. And where the range
# of an index implies the type, the condition on the type is left out (_FILTERS_OF_OPENER): the planner would begin with
# it, and read all holds on the way to the declined charges.
# $1 seller, $2 first and $3 end (exclusive) of the range of seq, position or id, $4 limit, and the filters:
# $5 from, $6 to, $7 phone number, $8 reference, $9 idempotency key, $10 status.
_FILTERS_OF_OPENER: Final = """e.at_us >= $5 AND e.at_us < $6
  AND ($7::text IS NULL OR e.phone_number = $7) AND ($8::text IS NULL OR e.reference = $8)
  AND ($9::text IS NULL OR (e.idempotency_key = $9 AND NOT e.by_admin))
  AND ($10::text IS NULL OR $10 = CASE e.type WHEN 'declined' THEN 'failed' ELSE coalesce(
        (SELECT c.status FROM {cell}.charges c WHERE c.seller_id = e.seller_id AND c.seq = e.seq), 'completed') END)"""
_FILTERS: Final = f"e.type IN ('charge', 'hold', 'declined') AND {_FILTERS_OF_OPENER}"

OF_SELLER: Final = f"""{_SELECT}
WHERE (e.seller_id, e.seq) >= ($1, $2) AND (e.seller_id, e.seq) < ($1, $3) AND {_FILTERS}
ORDER BY e.seller_id DESC, e.seq DESC LIMIT $4"""
OF_SELLER_DECLINED: Final = f"""{_SELECT}
WHERE (e.seller_id, e.type, e.seq) >= ($1, 'declined', $2) AND (e.seller_id, e.type, e.seq) < ($1, 'declined', $3)
  AND e.type <> 'charge' AND {_FILTERS_OF_OPENER}
ORDER BY e.seller_id DESC, e.type DESC, e.seq DESC LIMIT $4"""
OF_SELLER_WITH_ROW: Final = f"""{_SELECT}
JOIN {{cell}}.charges r ON e.seller_id = r.seller_id AND e.seq = r.seq
WHERE (r.seller_id, r.status, r.seq) >= ($1, $10, $2) AND (r.seller_id, r.status, r.seq) < ($1, $10, $3) AND {_FILTERS}
ORDER BY r.seller_id DESC, r.status DESC, r.seq DESC LIMIT $4"""
OF_SELLER_BY_KEY: Final = f"""{_SELECT}
WHERE (e.idempotency_key, e.seller_id) >= ($9, $1) AND (e.idempotency_key, e.seller_id) <= ($9, $1)
  AND e.idempotency_key IS NOT NULL AND e.seq + 0 >= $2 AND e.seq + 0 < $3 AND {_FILTERS}
LIMIT $4"""
_OF_SELLER_BY: Final = f"""{_SELECT}
WHERE (e.column, e.seller_id, e.seq) >= ($n, $1, $2) AND (e.column, e.seller_id, e.seq) < ($n, $1, $3)
  AND e.column IS NOT NULL AND {_FILTERS}
ORDER BY e.column DESC, e.seller_id DESC, e.seq DESC LIMIT $4"""
OF_SELLER_BY_PHONE_NUMBER: Final = _OF_SELLER_BY.replace("column", "phone_number").replace("$n", "$7")
OF_SELLER_BY_REFERENCE: Final = _OF_SELLER_BY.replace("column", "reference").replace("$n", "$8")

OF_ALL: Final = f"""{_SELECT}
WHERE $1::uuid IS NULL AND e.position >= $2 AND e.position < $3 AND {_FILTERS}
ORDER BY e.position DESC LIMIT $4"""
OF_ALL_DECLINED: Final = f"""{_SELECT}
WHERE $1::uuid IS NULL AND (e.type, e.position) >= ('declined', $2) AND (e.type, e.position) < ('declined', $3)
  AND e.type <> 'charge' AND {_FILTERS_OF_OPENER}
ORDER BY e.type DESC, e.position DESC LIMIT $4"""
OF_ALL_WITH_ROW: Final = f"""{_SELECT}
JOIN {{cell}}.charges r ON e.seller_id = r.seller_id AND e.seq = r.seq
WHERE $1::uuid IS NULL AND (r.status, r.id) >= ($10, $2) AND (r.status, r.id) < ($10, $3) AND {_FILTERS}
ORDER BY r.status DESC, r.id DESC LIMIT $4"""
# One key may be in use by every seller.
OF_ALL_BY_KEY: Final = f"""{_SELECT}
WHERE $1::uuid IS NULL AND e.idempotency_key = $9 AND e.position + 0 >= $2 AND e.position + 0 < $3 AND {_FILTERS}
ORDER BY e.position + 0 DESC LIMIT $4"""
# One step of the index for each seller that has the phone number or reference, then the newest of each.
_OF_ALL_BY: Final = f"""
WITH RECURSIVE sellers (seller_id) AS (
    (SELECT e.seller_id FROM {{cell}}.entries e
        WHERE (e.column, e.seller_id) > ($n, '{ID_MIN}') AND e.column <= $n AND e.column IS NOT NULL
        ORDER BY e.column, e.seller_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT e.seller_id FROM {{cell}}.entries e
        WHERE (e.column, e.seller_id) > ($n, s.seller_id) AND e.column <= $n AND e.column IS NOT NULL
        ORDER BY e.column, e.seller_id LIMIT 1)
    FROM sellers s WHERE s.seller_id IS NOT NULL)
{_OPENING}
FROM (
    SELECT f.seller_id, f.seq FROM sellers s CROSS JOIN LATERAL (
        SELECT e.seller_id, e.seq, e.position FROM {{cell}}.entries e
        WHERE $1::uuid IS NULL AND (e.column, e.seller_id, e.seq) >= ($n, s.seller_id, 0)
          AND (e.column, e.seller_id, e.seq) < ($n, s.seller_id, {BIGGEST})
          AND e.column IS NOT NULL AND e.position + 0 >= $2 AND e.position + 0 < $3 AND {_FILTERS}
        ORDER BY e.column DESC, e.seller_id DESC, e.seq DESC LIMIT $4) f
    WHERE s.seller_id IS NOT NULL ORDER BY f.position DESC LIMIT $4) found
CROSS JOIN LATERAL (
    SELECT * FROM {{cell}}.entries e WHERE e.seller_id = found.seller_id AND e.seq = found.seq LIMIT 1) e
ORDER BY e.position DESC"""
OF_ALL_BY_PHONE_NUMBER: Final = _OF_ALL_BY.replace("column", "phone_number").replace("$n", "$7")
OF_ALL_BY_REFERENCE: Final = _OF_ALL_BY.replace("column", "reference").replace("$n", "$8")

BY_SEQ: Final = f"{_SELECT} WHERE e.seller_id = $1 AND e.seq = $2"

STATUSES_WITH_ROW: Final = frozenset(ChargeStatus) - {ChargeStatus.COMPLETED, ChargeStatus.FAILED}
"""Every charge with one of these has a row in the projection, and no other charge."""


class Charges(Subjects):
    async def charges(
        self,
        *,
        seller_id: str | None = None,
        status: ChargeStatus | None = None,
        phone_number: str | None = None,
        reference: str | None = None,
        idempotency_key: str | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        before: Key | None = None,
        limit: int,
    ) -> list[SubjectRecord]:
        """At most `limit`, newest first; of one seller, or of all. Raises `WrongKey`."""
        of_seller = seller_id is not None
        first: Key
        end: Key
        if idempotency_key is not None:
            statement = OF_SELLER_BY_KEY if of_seller else OF_ALL_BY_KEY
        elif reference is not None:
            statement = OF_SELLER_BY_REFERENCE if of_seller else OF_ALL_BY_REFERENCE
        elif phone_number is not None:
            statement = OF_SELLER_BY_PHONE_NUMBER if of_seller else OF_ALL_BY_PHONE_NUMBER
        elif status is ChargeStatus.FAILED:
            statement = OF_SELLER_DECLINED if of_seller else OF_ALL_DECLINED
        elif status in STATUSES_WITH_ROW:
            statement = OF_SELLER_WITH_ROW if of_seller else OF_ALL_WITH_ROW
        else:
            statement = OF_SELLER if of_seller else OF_ALL

        if seller_id is not None:
            first, end = await self._seqs(seller_id, from_us, to_us)
            end = min(end, number_before(before))
        elif statement == OF_ALL_WITH_ROW:
            # The projection knows no position. Its ids tell the time, and the entries are asked for it exactly.
            first = id_at(0 if from_us is None else from_us)
            end = min(id_before(before), id_at(1000 * BIGGEST if to_us is None else to_us + 999))
        else:
            first, end = await self._positions(from_us, to_us)
            end = min(end, number_before(before))
        rows = await self._fetch(
            statement,
            seller_id,
            first,
            end,
            limit,
            -BIGGEST if from_us is None else from_us,
            BIGGEST if to_us is None else to_us,
            phone_number,
            reference,
            idempotency_key,
            status,
        )
        if seller_id is not None:
            return await self._records(rows, lambda opening, position: opening.seq)
        if statement == OF_ALL_WITH_ROW:
            return await self._records(rows, lambda opening, position: opening.id)
        return await self._records(rows, lambda opening, position: position)

    async def charge(self, seller_id: str, charge_id: str) -> SubjectRecord | None:
        """One charge of the seller, in any status."""
        rows = await self._fetch(BY_SEQ, seller_id, seq_of(charge_id))
        for record in await self._records(rows, lambda opening, position: opening.seq):
            if record.opening.id == charge_id and record.opening.type in CHARGE_OPENERS:
                return record
        return None
