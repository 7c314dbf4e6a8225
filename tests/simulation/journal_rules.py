"""What must be true of the journal by itself, whatever anybody was told: order, books, chain, and the rows."""

from actors.account import Account, apply
from journal.entry import Entry
from journal.memory import MemoryDatabase
from journal.projections import AccountRow, ChargeRow, CreditRequestRow, OpenedCharge, unwritten_charge
from tests.simulation.model import Broken, Limits, State, after
from tests.simulation.operations import History


class Violation(Exception):
    """A promise was broken. `step` is where in the history."""

    def __init__(self, step: int, text: str) -> None:
        super().__init__(text)
        self.step = step


def check_journal(database: MemoryDatabase, history: History, limits: Limits) -> dict[str, list[State]]:
    """Every seller's states, by seq (0: before its first entry)."""
    written_step = _check_order(database, history)
    states = {}
    for seller_id, entries in database.entries.items():
        state = State()
        states[seller_id] = timeline = [state]
        for entry in entries:
            try:
                state = after(state, entry, limits)
            except Broken as broken:
                at = f"seller {seller_id[-8:]} seq {entry.seq} ({entry.type})"
                raise Violation(written_step[seller_id, entry.seq], f"{at}: {broken}") from None
            timeline.append(state)
        if state.captured_in_part is not None:
            raise Violation(written_step[seller_id, state.seq], "half of a partial capture was written")
        _check_rows(database, state, entries)
        _check_apply(database, seller_id, entries)
    return states


def _check_order(database: MemoryDatabase, history: History) -> dict[tuple[str, int], int]:
    """Positions count 1, 2, 3 ... in the order of writing; nothing is there that was not written by a flush."""
    written_step: dict[tuple[str, int], int] = {}
    position = 0
    for written in history.written:
        for offset, entry in enumerate(written.entries):
            position += 1
            if written.first_position + offset != position:
                raise Violation(written.step, f"position {written.first_position + offset} where {position} is next")
            if database.positions.get((entry.seller_id, entry.seq)) != position:
                raise Violation(written.step, f"position {position} was given to another entry too")
            if database.entries[entry.seller_id][entry.seq - 1] != entry:
                raise Violation(written.step, f"{entry.seller_id[-8:]}/{entry.seq} was changed after it was written")
            written_step[entry.seller_id, entry.seq] = written.step
    if len(written_step) != sum(map(len, database.entries.values())):
        raise Violation(0, "the journal has entries that no flush wrote")
    return written_step


def _check_rows(database: MemoryDatabase, state: State, entries: list[Entry]) -> None:
    """The rows that say what is open are those that the journal implies."""
    seller_id = entries[0].seller_id
    account = AccountRow(seller_id, state.currency, state.is_suspended, state.limit)
    _same("accounts", {0: database.accounts.get(seller_id)}, {0: account})
    has_row = {entry.subject_id for entry in entries} | {entry.id for entry in entries if entry.type == "hold"}
    _same(
        "charges",
        {
            row.id: (row.seq, str(row.status), row.amount, row.refunded, row.expires_at_us, row.last_seq)
            for row in database.charges.values()
            if row.seller_id == seller_id
        },
        {
            charge_id: (c.opened_seq, c.status, c.amount, c.refunded, c.expires_at_us, c.last_seq)
            for charge_id, c in state.charges.items()
            if charge_id in has_row
        },
    )
    _same(
        "credit requests",
        {
            row.id: (row.seq, str(row.status), row.amount, tuple(each.by for each in row.approvals), row.last_seq)
            for row in database.requests.values()
            if row.seller_id == seller_id
        },
        {
            request_id: (r.opened_seq, r.status, r.amount, r.approved_by, r.last_seq)
            for request_id, r in state.requests.items()
        },
    )


def _check_apply(database: MemoryDatabase, seller_id: str, entries: list[Entry]) -> None:
    """The service's own `apply`, which `verify` uses, comes to the same rows."""
    account = Account(seller_id)
    rows: dict[object, object] = {}
    for entry in entries:
        row = apply(account, entry)
        if (charge := unwritten_charge(entry)) is not None:
            account.charges[charge.id] = OpenedCharge(charge, entry)
        if row is not None:
            rows[type(row), getattr(row, "seq", 0)] = row
    kept: dict[object, object] = {(AccountRow, 0): database.accounts[seller_id]}
    open_rows: list[ChargeRow | CreditRequestRow] = [*database.charges.values(), *database.requests.values()]
    kept |= {(type(row), row.seq): row for row in open_rows if row.seller_id == seller_id}
    _same("rows by apply", kept, rows)


def _same(what: str, found: dict[object, object], expected: dict[object, object]) -> None:
    if found != expected:
        wrong = [key for key in found | expected if found.get(key) != expected.get(key)]
        texts = "; ".join(f"{found.get(key)} instead of {expected.get(key)}" for key in wrong)
        raise Violation(10**9, f"{what}: {texts}")
