"""Questions about what the journal holds, answered by SELECTs alone; one file for each subject.

    cell            the pool, the cell's schema, the faults of a database that is away
    records         what is answered
    ranges          from times to seq and position, by binary search
    transactions    entries: pages, one, all of them in chunks, those after a position
    subjects        what charges and credit requests have in common
    charges         charges by what they are looked for
    credit_requests credit requests
    accounts        balances now and as of a time; the last hash of every seller
    statement       what happened between two balances
    totals          what a statement has added up before
    summary         what all sellers did together since a time
    trial_balance   debits against credits, over everything
    audit           everything, in chunks, for a verification

Every list is newest first and goes on from a key, at a cost that depends neither on how long the journal is nor
on how far one has gone. So that this holds whatever the planner knows of the tables, conditions are written as
comparisons of rows, `(a, b, c) < ($1, $2, $3)` with the matching ORDER BY: one index fits each, and
`cell.READ_SETTINGS` leave no other way. `tests/journal/test_reader_costs.py` holds every statement to it.

Adding a statement: 1. a constant beside the others, its parameters named; 2. its question in that test.

Must not write, lock, or ask an actor: what these answer is durable, and may be a moment old.
"""
