"""Credit requests: by status, newest first, and one by its id. Each has a row in the projection."""

from typing import Final

from journal.ids import seq_of
from journal.projections import CreditRequestStatus
from journal.reading.records import Key, SubjectRecord
from journal.reading.subjects import ID_MIN, OPENING_COLUMNS, Subjects, id_before

_SELECT: Final = f"""
SELECT {OPENING_COLUMNS}, r.last_seq
FROM {{cell}}.credit_requests r JOIN {{cell}}.entries e ON e.seller_id = r.seller_id AND e.seq = r.seq"""

# $1 seller, $2 status, $3 first and $4 end (exclusive) of the range of seq or id, $5 limit.
OF_SELLER: Final = f"""{_SELECT}
WHERE (r.seller_id, r.seq) >= ($1, $3) AND (r.seller_id, r.seq) < ($1, $4) AND $2::text IS NULL
ORDER BY r.seller_id DESC, r.seq DESC LIMIT $5"""
OF_SELLER_WITH_STATUS: Final = f"""{_SELECT}
WHERE (r.seller_id, r.status, r.seq) >= ($1, $2, $3) AND (r.seller_id, r.status, r.seq) < ($1, $2, $4)
ORDER BY r.seller_id DESC, r.status DESC, r.seq DESC LIMIT $5"""
OF_ALL: Final = f"""{_SELECT}
WHERE $1::uuid IS NULL AND $2::text IS NULL AND r.id >= $3 AND r.id < $4
ORDER BY r.id DESC LIMIT $5"""
OF_ALL_WITH_STATUS: Final = f"""{_SELECT}
WHERE $1::uuid IS NULL AND (r.status, r.id) >= ($2, $3) AND (r.status, r.id) < ($2, $4)
ORDER BY r.status DESC, r.id DESC LIMIT $5"""
BY_SEQ: Final = f"{_SELECT} WHERE r.seller_id = $1 AND r.seq = $2"


class CreditRequests(Subjects):
    async def credit_requests(
        self,
        *,
        seller_id: str | None = None,
        status: CreditRequestStatus | None = None,
        before: Key | None = None,
        limit: int,
    ) -> list[SubjectRecord]:
        """At most `limit`, newest first; of one seller, or of all. Raises `WrongKey`."""
        end = id_before(before)
        if seller_id is None:
            statement = OF_ALL if status is None else OF_ALL_WITH_STATUS
            rows = await self._fetch(statement, None, status, ID_MIN, end, limit)
        else:
            statement = OF_SELLER if status is None else OF_SELLER_WITH_STATUS
            rows = await self._fetch(statement, seller_id, status, 0, seq_of(end), limit)
        return await self._records(rows, lambda opening, position: opening.id)

    async def credit_request(self, seller_id: str, request_id: str) -> SubjectRecord | None:
        """One request of the seller, in any status."""
        rows = await self._fetch(BY_SEQ, seller_id, seq_of(request_id))
        for record in await self._records(rows, lambda opening, position: opening.id):
            if record.opening.id == request_id:
                return record
        return None
