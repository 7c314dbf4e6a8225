"""Verification: every entry of the journal, replayed by the rules that made it.

For each seller: entries numbered 1, 2, 3 ... without a gap; every hash recomputed over the content and the
predecessor's hash; the arithmetic of both balances, the floor, the time that never goes back; each entry one that
the rules allow after those before it, shown by the same `apply` as live traffic; the projections rebuilt and
compared, rows too many included. Over the cell: positions 1, 2, 3 ... without a gap, no key used twice, no row without
a journal, and no entry that an index has lost.
With what `charge-shop heads` wrote earlier, also: none of what was there has gone, or is another.

    findings     what is answered
    shape        what an entry of each type looks like
    replay       one seller's entries against the rules
    walk         a range of sellers: reading, replaying, comparing with the projections
    cell_checks  what only the whole can show
    verifier     `verify_journal`: all of it
    workers      the walk on several processors; `worker` is the program that each runs

What it cannot see: entries of two sellers at exchanged positions, for positions are outside the hash; entries that were
added with a right hash; and, unless heads were exported, that the last entries were cut off, where nothing was written
after them or the positions were counted anew.
"""

from actors.verification.findings import Finding, Progress, in_one_line
from actors.verification.verifier import verify_journal

__all__ = ["Finding", "Progress", "in_one_line", "verify_journal"]
