"""After the load: every seller's journal is fetched and held against the history, one seller after the other."""

from collections.abc import Callable, Sequence

from loadtest.audit import journal_of
from loadtest.cast import Admin, Seller
from loadtest.checker import Checking, Findings, by_seller
from loadtest.client import Client
from loadtest.history import History


async def inspect(
    client: Client,
    admin: Admin,
    sellers: Sequence[Seller],
    history: History,
    *,
    is_whole_journal: bool,
    on_entries: Callable[[int], None],
) -> Findings:
    """Nothing may be in flight. `is_whole_journal`: the service has no other sellers. `on_entries`: how many more
    were read. No more than one journal is in memory.
    """
    checking = Checking()
    events = by_seller(history.events)
    for seller in sellers:
        # The balance first, since reading it settles what has expired.
        balance = await client.get(f"/v1/balance?seller_id={seller.id}", admin.token)
        entries = await journal_of(client, admin, seller, on_page=on_entries)
        checking.take(seller.id, entries, events.pop(seller.id, ()), balance)
    assert not events, "the history speaks of a seller that is not ours"
    trial_balance = await client.get("/v1/trial-balance", admin.token) if is_whole_journal else None
    return checking.finish(trial_balance, is_whole_journal=is_whole_journal)
