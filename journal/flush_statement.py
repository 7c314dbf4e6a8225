"""The flush, in SQL: all entries of a group commit and the rows that they change, in one statement with its fence.

It proves the epoch by locking the lease row (FOR NO KEY UPDATE: a plain SELECT or FOR KEY SHARE would let a former
writer through), which also says whether the journal is frozen, looks up the idempotency keys that came with it, and
inserts everything, or nothing when a key is known. The connection that runs it is told to use indexes only, so its plan
does not depend on how full the tables were when it was prepared.
"""

from typing import Final

# $1 epoch, $2 first position, $3 the entries as JSON, and in PROJECTIONS the rows of each table as JSON. One text for
# all columns: to encode it takes the service 0.3 us an entry where an array per column took 5, and it is the service's
# processor, not the database's, that is short. Fields of an entry that have their defaults are not in it: a tenth less
# for the database to do.
FLUSH: Final = """
WITH fence AS MATERIALIZED (
    SELECT epoch FROM {cell}.lease WHERE epoch = $1 AND NOT is_frozen FOR NO KEY UPDATE
), incoming AS MATERIALIZED (
    SELECT * FROM ROWS FROM (json_to_recordset($3::text::json) AS (
        seller_id uuid, seq bigint, at_us bigint, type text, amount bigint, held_change bigint, available_after bigint,
        held_after bigint, credit_limit bigint, made_by uuid, by_admin boolean, subject_id uuid, idempotency_key text,
        request_hash text, phone_number text, reference text, reason text, details text, hash text)
    ) WITH ORDINALITY AS i (
        seller_id, seq, at_us, type, amount, held_change, available_after, held_after, credit_limit, made_by, by_admin,
        subject_id, idempotency_key, request_hash, phone_number, reference, reason, details, hash, n)
), known AS MATERIALIZED (
    SELECT i.n, e.seq FROM incoming i CROSS JOIN LATERAL (
        SELECT e.seq FROM {cell}.entries e
        WHERE e.seller_id = i.seller_id AND e.idempotency_key = i.idempotency_key
            AND e.by_admin = coalesce(i.by_admin, false)
        LIMIT 1) e
), entries AS (
    INSERT INTO {cell}.entries (
        position, seller_id, seq, at_us, type, amount, held_change, available_after, held_after, credit_limit,
        made_by, by_admin, subject_id, idempotency_key, request_hash, phone_number, reference, reason, details, hash)
    SELECT $2 + i.n - 1, i.seller_id, i.seq, i.at_us, i.type, coalesce(i.amount, 0), coalesce(i.held_change, 0),
        i.available_after, i.held_after, i.credit_limit, i.made_by, coalesce(i.by_admin, false), i.subject_id,
        i.idempotency_key, decode(i.request_hash, 'base64'), i.phone_number, i.reference, i.reason, i.details,
        decode(i.hash, 'base64')
    FROM fence, incoming i WHERE NOT EXISTS (SELECT FROM known)
){projections}
SELECT (SELECT epoch FROM fence), (SELECT array_agg(n) FROM known), (SELECT array_agg(seq) FROM known)
"""

PROJECTIONS: Final = """, accounts AS (
    INSERT INTO {cell}.accounts AS a (seller_id, currency, is_suspended, credit_limit)
    SELECT r.* FROM fence, json_to_recordset($4::text::json)
        AS r (seller_id uuid, currency text, is_suspended boolean, credit_limit bigint)
    WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (seller_id) DO UPDATE
    SET is_suspended = excluded.is_suspended, credit_limit = excluded.credit_limit
), charges AS (
    INSERT INTO {cell}.charges AS c (seller_id, seq, id, status, amount, refunded, expires_at_us, last_seq)
    SELECT r.* FROM fence, json_to_recordset($5::text::json)
        AS r (seller_id uuid, seq bigint, id uuid, status text, amount bigint, refunded bigint, expires_at_us bigint,
            last_seq bigint)
    WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (seller_id, seq) DO UPDATE
    SET status = excluded.status, amount = excluded.amount, refunded = excluded.refunded, last_seq = excluded.last_seq
), requests AS (
    INSERT INTO {cell}.credit_requests AS q (seller_id, seq, id, status, amount, note, requested_at_us, last_seq,
        approvals, decision_note, decided_by, decided_at_us)
    SELECT r.* FROM fence, json_to_recordset($6::text::json)
        AS r (seller_id uuid, seq bigint, id uuid, status text, amount bigint, note text, requested_at_us bigint,
            last_seq bigint, approvals text, decision_note text, decided_by uuid, decided_at_us bigint)
    WHERE NOT EXISTS (SELECT FROM known)
    ON CONFLICT (seller_id, seq) DO UPDATE
    SET status = excluded.status, approvals = excluded.approvals, decision_note = excluded.decision_note,
        decided_by = excluded.decided_by, decided_at_us = excluded.decided_at_us, last_seq = excluded.last_seq
)"""

# Indexes only, and one plan for all batches: see the module's docstring.
FLUSH_SETTINGS: Final = {
    "jit": "off",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    # An owner that stops, or whose host vanishes, between two messages of a flush must not keep the lease's row locked
    # against its successor: the server ends such a transaction by itself.
    "idle_in_transaction_session_timeout": "5000",
    # The flush has time limits of its own. Those that an operator has set for everybody would end it for each seller in
    # turn, while a table is locked, or end its connection while nobody sells.
    "lock_timeout": "0",
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    # A COMMIT says in a warning only that its wait for a replica was cut short. An operator may have silenced them.
    "client_min_messages": "warning",
    # It waits for the lease's row, and reads it as it is then.
    "default_transaction_isolation": "read committed",
    "tcp_user_timeout": "10000",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
# For the same reason, where the server knows it (17 and later): a flush whose last message never arrives.
TRANSACTION_TIMEOUT: Final = """
SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'transaction_timeout'"""
