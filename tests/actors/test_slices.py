"""No step of an actor is long, however much it is asked for at once: others have the event loop in between."""

import asyncio

from actors.account import Account
from actors.batches import SLICE
from actors.commands import Adjust, Caller, Charge, ChargeMany, ManyDone, Outcome, Settle
from tests.actors.cells import CALLER, SELLER_ID, WITHIN_S, Cell, running_cell

PARTS = 8


async def test_what_has_waited_for_an_account_is_decided_in_slices() -> None:
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000_000, "credit", "a test"))
        cell.directory.in_doubt(None)  # So that the account has to be loaded.
        parts = [asyncio.ensure_future(cell.ask(part)) for part in _parts("first")]
        assert await _longest_step(cell, parts) <= 2 * SLICE


async def test_what_was_given_back_is_decided_again_in_slices() -> None:
    """One of many keys was used before, and the journal alone knows of it."""
    async with running_cell() as cell:
        await cell.ask(Adjust(CALLER, 1_000_000, "credit", "a test"))
        first, *others = _parts("key")
        await cell.ask(first)
        cell.directory.in_doubt(None)
        await cell.ask(Settle())
        parts = [asyncio.ensure_future(cell.ask(part)) for part in (first, *others)]
        assert await _longest_step(cell, parts) <= 2 * SLICE


def _parts(name: str) -> list[ChargeMany]:
    def charges(number: int) -> tuple[Charge, ...]:
        callers = [Caller(SELLER_ID, False, f"{name} {number} {item}", bytes(16)) for item in range(SLICE)]
        return tuple(Charge(caller, "+15550100001", 1) for caller in callers)

    return [ChargeMany(CALLER, charges(number), False) for number in range(PARTS)]


async def _longest_step(cell: Cell, parts: list["asyncio.Task[Outcome]"]) -> int:
    """The most charges by which the account moved between two turns of the event loop, once it was loaded."""
    longest = 0
    account, seq = Account(SELLER_ID), 0
    async with asyncio.timeout(WITHIN_S):
        while not all(part.done() for part in parts):
            await asyncio.sleep(0)
            actor = cell.directory._actors.get(SELLER_ID)
            if actor is None:
                continue
            if actor.account is account and seq:
                longest = max(longest, account.seq - seq)
            account, seq = actor.account, actor.account.seq
    for part in parts:
        done = await part
        assert isinstance(done, ManyDone)
        assert len(done.results) == SLICE
    assert longest
    return longest
