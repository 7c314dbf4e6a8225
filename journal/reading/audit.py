"""What a verification reads: the whole journal in chunks, seller by seller, and the projections beside it.

On a connection of its own. What must be seen at the same moment is asked within `moment()`, and moments are short:
a long journal is read without keeping a snapshot, and may grow meanwhile.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from journal.connections import CONNECTION_FAULTS
from journal.reading.cell import READ_SETTINGS, SUMMING_SETTINGS
from journal.reading.records import Head
from journal.reading.subjects import ID_MAX, ID_MIN
from journal.reading.transactions import LAST_POSITION
from journal.rows import CHARGE_COLUMNS, ENTRY_COLUMNS, REQUEST_COLUMNS
from journal.service_role import SERVICE_ROLE
from journal.store import JournalUnavailable, JournalUnreadable

CHUNK: Final = f"""
SELECT {ENTRY_COLUMNS} FROM {{cell}}.entries e
WHERE (e.seller_id, e.seq) > ($1, $2) AND e.seller_id <= $3
ORDER BY e.seller_id, e.seq LIMIT $4"""
BY_SEQ: Final = f"""
SELECT {ENTRY_COLUMNS} FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS k (seller_id, seq, n)
JOIN {{cell}}.entries e ON e.seller_id = k.seller_id AND e.seq = k.seq"""
# The last entry that continued a subject before a given seq.
LAST_BEFORE: Final = f"""
SELECT {ENTRY_COLUMNS}, k.seq AS before
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS k (seller_id, subject_id, seq) CROSS JOIN LATERAL (
    SELECT * FROM {{cell}}.entries f
    WHERE (f.seller_id, f.subject_id, f.seq) >= (k.seller_id, k.subject_id, 0)
      AND (f.seller_id, f.subject_id, f.seq) < (k.seller_id, k.subject_id, k.seq) AND f.subject_id IS NOT NULL
    ORDER BY f.seller_id DESC, f.subject_id DESC, f.seq DESC LIMIT 1) e"""
# Whether a row's last_seq is that of an entry which continues what the row is about.
CHARGE_ROWS: Final = f"""
SELECT {CHARGE_COLUMNS}, EXISTS (SELECT FROM {{cell}}.entries e
    WHERE e.seller_id = c.seller_id AND e.seq = c.last_seq AND e.subject_id = c.id) AS is_continued
FROM unnest($1::uuid[], $2::bigint[]) AS k (seller_id, seq)
JOIN {{cell}}.charges c ON c.seller_id = k.seller_id AND c.seq = k.seq"""
REQUEST_ROWS: Final = f"""
SELECT {REQUEST_COLUMNS}, EXISTS (SELECT FROM {{cell}}.entries e
    WHERE e.seller_id = r.seller_id AND e.seq = r.last_seq AND e.subject_id = r.id) AS is_continued
FROM unnest($1::uuid[], $2::bigint[]) AS k (seller_id, seq)
JOIN {{cell}}.credit_requests r ON r.seller_id = k.seller_id AND r.seq = k.seq"""
ACCOUNT_ROWS: Final = """
SELECT k.seller_id::text, a.currency, a.is_suspended, a.credit_limit,
    (SELECT count(*) FROM {cell}.charges c WHERE c.seller_id = k.seller_id) AS charge_rows,
    (SELECT count(*) FROM {cell}.credit_requests r WHERE r.seller_id = k.seller_id) AS request_rows,
    s.currency AS shop_currency, s.cell AS shop_cell
FROM unnest($1::uuid[]) AS k (seller_id)
LEFT JOIN {cell}.accounts a ON a.seller_id = k.seller_id LEFT JOIN shop.sellers s ON s.id = k.seller_id"""

# Rows that no entry accounts for; of a seller whose rows are known to be too many.
SURPLUS_CHARGE: Final = """
SELECT c.seq FROM {cell}.charges c WHERE c.seller_id = $1 AND NOT EXISTS (
    SELECT FROM {cell}.entries e WHERE e.seller_id = c.seller_id AND e.seq = c.seq AND (e.type = 'hold' OR EXISTS (
        SELECT FROM {cell}.entries f WHERE f.seller_id = c.seller_id AND f.subject_id = c.id AND e.type = 'charge')))
ORDER BY c.seq LIMIT 1"""
SURPLUS_REQUEST: Final = """
SELECT r.seq FROM {cell}.credit_requests r WHERE r.seller_id = $1 AND NOT EXISTS (
    SELECT FROM {cell}.entries e
    WHERE e.seller_id = r.seller_id AND e.seq = r.seq AND e.type = 'credit_requested')
ORDER BY r.seq LIMIT 1"""
# Rows of sellers that have no journal at all.
ORPHANS: Final = """
SELECT o.seller_id::text, o.seq, o.what FROM (
    SELECT a.seller_id, 1::bigint AS seq, 'accounts' AS what FROM {cell}.accounts a
    WHERE NOT EXISTS (SELECT FROM {cell}.entries e WHERE e.seller_id = a.seller_id)
    UNION ALL SELECT c.seller_id, c.seq, 'charges' FROM {cell}.charges c
    WHERE NOT EXISTS (SELECT FROM {cell}.accounts a WHERE a.seller_id = c.seller_id)
    UNION ALL SELECT r.seller_id, r.seq, 'credit_requests' FROM {cell}.credit_requests r
    WHERE NOT EXISTS (SELECT FROM {cell}.accounts a WHERE a.seller_id = r.seller_id)) o
WHERE $1::uuid IS NULL OR o.seller_id = $1
ORDER BY o.seller_id, o.seq LIMIT 1"""
# Positions have no gap when there are as many as the last one says, and no two are the same: who takes an entry out
# may have dropped the index that keeps them unique.
HAS_GAP: Final = """
SELECT count(*) <> coalesce(max(e.position), 0) OR count(DISTINCT e.position) <> count(*) FROM {cell}.entries e"""
AFTER_GAP: Final = """
SELECT e.seller_id::text, e.seq, e.position FROM {cell}.entries e
WHERE e.position > 1 AND NOT EXISTS (SELECT FROM {cell}.entries p WHERE p.position = e.position - 1)
ORDER BY e.position, e.seller_id, e.seq LIMIT 1"""
TWICE: Final = """
SELECT e.seller_id::text, e.seq, e.position FROM {cell}.entries e
WHERE EXISTS (SELECT FROM {cell}.entries o
    WHERE o.position = e.position AND (o.seller_id, o.seq) <> (e.seller_id, e.seq))
ORDER BY e.position, e.seller_id, e.seq LIMIT 1"""
# A key that was used up by two entries: whoever put in the second has dropped the index that forbids it.
USED_TWICE: Final = """
SELECT e.idempotency_key, e.seller_id, e.by_admin FROM {cell}.entries e WHERE e.idempotency_key IS NOT NULL
GROUP BY e.idempotency_key, e.seller_id, e.by_admin HAVING count(*) > 1 LIMIT 1"""
SECOND_USE: Final = """
SELECT e.seller_id::text, e.seq FROM {cell}.entries e
WHERE e.idempotency_key = $1 AND e.seller_id = $2 AND e.by_admin = $3 ORDER BY e.seq OFFSET 1 LIMIT 1"""
# How many entries the table has, by itself (hashes are in no index), and how many are met by each index that a
# verification relies on.
_BY_TABLE_ALONE: Final = "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off"
_IN_TABLE: Final = """
SELECT count(e.hash) AS entries_pkey, count(e.hash) FILTER (WHERE e.subject_id IS NOT NULL) AS entries_subject,
    count(e.hash) FILTER (WHERE e.idempotency_key IS NOT NULL) AS entries_idempotency_key, count(*) AS entries_position
FROM {cell}.entries e"""
_IN_INDEXES: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM {cell}.entries e WHERE e.seller_id IS NOT NULL
        ORDER BY e.seller_id, e.seq OFFSET 0) met) AS entries_pkey,
    (SELECT count(*) FROM (SELECT FROM {cell}.entries e WHERE e.subject_id IS NOT NULL
        ORDER BY e.seller_id, e.subject_id, e.seq OFFSET 0) met) AS entries_subject,
    (SELECT count(*) FROM (SELECT FROM {cell}.entries e WHERE e.idempotency_key IS NOT NULL
        ORDER BY e.idempotency_key, e.seller_id, e.by_admin OFFSET 0) met) AS entries_idempotency_key,
    (SELECT count(*) FROM (SELECT FROM {cell}.entries e ORDER BY e.position OFFSET 0) met) AS entries_position"""
# The entry at a position, or the last before it.
AT_POSITION: Final = """
SELECT e.seller_id::text, e.seq FROM {cell}.entries e WHERE e.position <= $1
ORDER BY e.position DESC LIMIT 1"""
RESTORED: Final = """
SELECT r.number, r.last_position,
    EXISTS (SELECT FROM {cell}.restore_confirmations c WHERE c.number = r.number) AS is_confirmed
FROM {cell}.restores r ORDER BY r.number"""
HASHES: Final = """
SELECT (SELECT e.hash FROM {cell}.entries e WHERE e.seller_id = k.seller_id AND e.seq = k.seq),
    (SELECT max(e.seq) FROM {cell}.entries e WHERE e.seller_id = k.seller_id)
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS k (seller_id, seq, n) ORDER BY k.n"""
SELLERS: Final = "SELECT count(*) FROM {cell}.accounts a WHERE $1::uuid IS NULL OR a.seller_id = $1"
EVERY_NTH_SELLER: Final = """
SELECT s.seller_id::text FROM (
    SELECT a.seller_id, row_number() OVER (ORDER BY a.seller_id) AS n FROM {cell}.accounts a) s
WHERE s.n % $1 = 0 ORDER BY s.seller_id"""

# Without row_security a policy that hides rows makes a statement fail, which then answers all or nothing.
_SETTINGS: Final = {
    **READ_SETTINGS,
    "application_name": "charge-shop verify",
    "role": SERVICE_ROLE,
    "row_security": "off",
}


class Audit:
    """Answers rows as the statements above have them."""

    def __init__(self, connection: Any, cell: str) -> None:
        self._connection = connection
        self._cell = cell

    def moment(self) -> Any:
        """Within it every statement sees the same."""
        return self._connection.transaction(isolation="repeatable_read", readonly=True)

    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        rows: list[Any] = await self._connection.fetch(self._sql(statement), *arguments)
        return rows

    async def fetch_by_scan(self, statement: str, *arguments: object) -> list[Any]:
        """For statements that look at whole tables."""
        async with self.moment():
            await self._connection.execute(SUMMING_SETTINGS)
            return await self.fetch(statement, *arguments)

    async def slices(self, count: int) -> list[tuple[str, str]]:
        """The range of all ids that there can be, cut into about so many of equally many sellers: each begins after
        its first id and ends with its last."""
        sellers = (await self.fetch(SELLERS, None))[0][0]
        cuts: list[str] = []
        if sellers > count > 1:
            cuts = [row[0] for row in await self.fetch_by_scan(EVERY_NTH_SELLER, -(-sellers // count))]
        return list(zip([ID_MIN, *cuts], [*cuts, ID_MAX], strict=True))

    async def last_position(self) -> int:
        return int((await self.fetch(LAST_POSITION))[0][0])

    async def require_whole_indexes(self) -> None:
        """Raises `JournalUnreadable` if there are entries that an index does not lead to: who reads by it, as we did,
        does not meet them."""
        async with self.moment():
            met = (await self.fetch(_IN_INDEXES))[0]
            await self._connection.execute(_BY_TABLE_ALONE)
            held = (await self.fetch_by_scan(_IN_TABLE))[0]
        for index, count in held.items():
            if met[index] != count:
                raise JournalUnreadable(
                    f"the index {self._cell}.{index} leads to {met[index]} of {count} entries: "
                    "look for what its table has besides, then REINDEX, and verify again"
                )

    async def hashes(self, heads: Sequence[Head]) -> list[tuple[bytes | None, int | None]]:
        """For each, the hash that the journal has there, and the last seq of its seller."""
        rows = await self.fetch(HASHES, [head.seller_id for head in heads], [head.seq for head in heads])
        return [(row[0], row[1]) for row in rows]

    def _sql(self, statement: str) -> str:
        return statement.replace("{cell}", self._cell)


@asynccontextmanager
async def auditing(url: str, cell: str) -> AsyncIterator[Audit]:
    """Needs no more than the right to read. Raises `JournalUnavailable` whenever the database goes away, and
    `JournalUnreadable` when it refuses."""
    try:
        connection = await asyncpg.connect(url, server_settings=_SETTINGS)
        try:
            yield Audit(connection, cell)
        finally:
            connection.terminate()
    except CONNECTION_FAULTS as fault:
        raise JournalUnavailable(f"{type(fault).__name__}: {fault}") from fault
    except asyncpg.PostgresError as fault:
        raise JournalUnreadable(f"the journal cannot be read: {' '.join(str(fault).split())}") from fault
