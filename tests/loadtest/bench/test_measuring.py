"""What stands beside the load: CPU time of a process, and the rows that COPY is given."""

import os
import time
from itertools import pairwise

import asyncpg
import pytest

from journal.chain import entry_hash
from journal.rows import ENTRY_COLUMNS, PREVIOUS_HASH, entry_of
from loadtest.bench.copying import COLUMNS, Charges
from loadtest.bench.processor import cpu_s


def test_cpu_time_is_that_of_the_process():
    while time.process_time() < 0.1:
        pass
    assert cpu_s(os.getpid()) == pytest.approx(time.process_time(), abs=0.05)


async def test_rows_for_copy_are_charges_as_the_service_writes_them(database):
    """The real table takes them, and their chain is whole."""
    connection = await asyncpg.connect(database.owner_url)
    try:
        await connection.copy_records_to_table(
            "entries", schema_name="cell_00", columns=("position", *COLUMNS), records=Charges().rows(100, 10)
        )
        query = f"SELECT {ENTRY_COLUMNS}, {PREVIOUS_HASH} FROM {{cell}}.entries e ORDER BY e.position"
        rows = await connection.fetch(query.replace("{cell}", "cell_00"))
    finally:
        await connection.close()
    entries = [entry_of(row, row["previous_hash"]) for row in rows]
    assert len(entries) == 100
    assert {entry.type for entry in entries} == {"charge"}
    assert all(entry.idempotency_key and entry.phone_number for entry in entries)
    # The first charge of a seller follows entries that COPY is not given.
    followers = [later for earlier, later in pairwise(entries) if earlier.seller_id == later.seller_id]
    assert len(followers) == 90
    assert all(entry_hash(entry) == entry.hash for entry in followers)
