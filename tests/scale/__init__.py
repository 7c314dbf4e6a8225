"""Scale of data: a journal of 1,000,000 sellers and 10,000,000 entries, and what the service costs on it.

    market      sellers and their trade, by the real rules and a seed
    tables      rows as COPY takes them
    indexes     dropped for a load, made again after it
    fill        the whole load, on all processors
    shop        a filled data directory, served
    figures     what was measured, and the bar it is held to
    starting, cold, memory, pages, throughput, exports, verifying      one kind of measurement each

`python -m tests.scale` runs it all; a small shop is filled and measured in every test run.
"""
