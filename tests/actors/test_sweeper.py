"""Holds are given back though nobody looks at their seller."""

import pytest
from msgspec.structs import replace

from actors import sweeper
from actors.commands import Adjust, Charge
from actors.sweeper import sweep
from tests.actors.cells import CALLER, OTHER_ID, SELLER_ID, running_cell


@pytest.mark.parametrize("looked_at", [1, 2])
async def test_a_seller_that_cannot_be_loaded_keeps_nobodys_hold(
    looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its holds may be all that are looked at."""
    monkeypatch.setattr(sweeper, "HOLDS_LOOKED_AT_MAX", looked_at)
    async with running_cell() as cell:
        for seller_id in (SELLER_ID, OTHER_ID):
            await cell.ask(Adjust(CALLER, 1_000, "credit", "a test"), seller_id)
            await cell.ask(Charge(CALLER, "+15550100001", 300, expires_in_s=1), seller_id)
        cell.directory.in_doubt([SELLER_ID])
        rows = cell.store.database.charges
        for place, row in rows.items():
            if row.seller_id == SELLER_ID:
                rows[place] = replace(row, amount=row.amount + 1)
        cell.now_us += 2_000_000
        assert await sweep(cell.directory) == 2
        entries = cell.store.database.entries
        assert [entries[seller_id][-1].type for seller_id in (SELLER_ID, OTHER_ID)] == ["hold", "expiry"]
