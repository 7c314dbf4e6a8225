"""Simulation of the core: the real committer, actors and directory in virtual time, over a database with faults.

Reading order: `plan.py` (what a seed decides), `loop.py` (time and order), `server.py` and `store.py` (the
database, and the ways it fails), `instance.py` (a process of the service), `operations.py` and `workload.py`
(what clients ask), `scenario.py` (one seed from start to end), `model.py`, `journal_rules.py` and
`answer_rules.py` (what must be true afterwards), `coverage.py` (what the seeds reached), `mutants.py` (planted bugs).

    make simulate SEEDS=2000        python -m tests.simulation --seeds 2000 --start 0
    make mutants                    python -m tests.simulation --mutants
    one seed, with its history      python -m tests.simulation --seeds 1 --start 4711 --verbose
"""
