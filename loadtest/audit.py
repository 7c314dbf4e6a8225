"""The audit: fetches what the service says when the play is over, as an auditor with the admin's token would.

The journal comes from `GET /v1/transactions`, entry by entry, and once more as CSV, which has to say the same.
"""

import asyncio
import csv
import io
from collections.abc import Callable
from urllib.parse import quote

from msgspec import Struct

from loadtest.cast import Admin, Seller
from loadtest.checker import Closing
from loadtest.client import Client, UnexpectedAnswer
from loadtest.entries import JournalEntry, entry_of
from loadtest.money import to_text

AT_ONCE = 8
POLL_S = 0.2


class Books(Struct, frozen=True):
    journals: dict[str, list[JournalEntry]]
    """By seller, oldest entry first."""
    closing: Closing
    csv_faults: list[str]
    """Where the export says something else than the journal."""
    verification: str
    """What the service's own verification ended with: `passed`, or what it found."""


async def fetch(client: Client, admin: Admin, sellers: list[Seller]) -> Books:
    """Balances first, since reading them settles what has expired; nothing may be in flight."""
    gate = asyncio.Semaphore(AT_ONCE)
    balances = {}
    journals = {}
    csv_faults: list[str] = []

    async def read(seller: Seller) -> None:
        async with gate:
            balances[seller.id] = await client.get(f"/v1/balance?seller_id={seller.id}", admin.token)
            journals[seller.id] = await journal_of(client, admin, seller)
            csv_faults.extend(await _csv_faults(client, admin, seller, journals[seller.id]))

    await asyncio.gather(*(read(seller) for seller in sellers))
    trial_balance = await client.get("/v1/trial-balance", admin.token)
    return Books(journals, Closing(balances, trial_balance), csv_faults, await _verification(client, admin))


async def journal_of(
    client: Client, admin: Admin, seller: Seller, *, on_page: Callable[[int], None] = lambda entries: None
) -> list[JournalEntry]:
    """Oldest entry first. `on_page`: how many entries came with it."""
    entries: list[JournalEntry] = []
    cursor = ""
    while True:
        path = f"/v1/transactions?seller_id={seller.id}&limit=100{cursor}"
        page = await client.get(path, admin.token)
        entries.extend(entry_of(transaction) for transaction in page["data"])
        on_page(len(page["data"]))
        if not page["has_more"]:
            entries.reverse()
            return entries
        cursor = f"&cursor={quote(page['next_cursor'])}"


async def _csv_faults(client: Client, admin: Admin, seller: Seller, entries: list[JournalEntry]) -> list[str]:
    """Compares what cannot be guarded against formulas: numbers, ids and hashes. Order: oldest first."""
    path = f"/v1/transactions.csv?seller_id={seller.id}"
    status, text = await client.call("GET", path, credential=admin.token, is_text=True)
    if status != 200:
        raise UnexpectedAnswer(f"GET {path} answered {status}")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    if len(rows) != len(entries):
        return [f"seller {seller.id}: {len(rows)} rows for {len(entries)} entries"]
    faults = []
    for row, entry in zip(rows, entries, strict=True):
        expected = {
            "id": entry.id,
            "seq": str(entry.seq),
            "position": str(entry.position),
            "type": entry.type,
            "amount": to_text(entry.amount, entry.currency),
            "available_after": to_text(entry.available_after, entry.currency),
            "held_after": to_text(entry.held_after, entry.currency),
            "hash": entry.hash,
            "created_at": entry.created_at,
        }
        shown = {name: row.get(name) for name in expected}
        if shown != expected:
            faults.append(f"seller {seller.id} seq {entry.seq}: {shown}, in the journal {expected}")
    return faults


async def _verification(client: Client, admin: Admin) -> str:
    begun = await client.expect(202, "POST", "/v1/verification", credential=admin.token)
    while True:
        run = await client.get(f"/v1/verification/{begun['id']}", admin.token)
        if run["status"] != "running":
            return "passed" if run["status"] == "passed" else f"{run['status']}: {run['first_bad']}"
        await asyncio.sleep(POLL_S)
