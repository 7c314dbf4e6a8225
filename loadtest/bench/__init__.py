"""Measures the service against two baselines, on one machine and one PostgreSQL, and says which bars are met.

Absolute figures drift by half from hour to hour. So everything is measured in rounds, each workload once a round,
and what counts is the median of the ratios of one round.

In reading order:

    workloads    what is measured, as a table
    comparisons  what is said about it: ratios and their bars (pure)
    spread       which seller is next (pure)
    wrk, load/   the load, and how its answer is read
    open_loop    the load whose rate does not depend on the answers, for latencies
    processor    CPU time of a process
    database     the embedded server of the service under test, for the baselines
    copying      what COPY takes for the rows that a batch writes, into a table as full as the service's
    contenders   the processes
    shop         the sellers of the service
    rounds       measures everything, in turn
    result       what was found: the JSON
    report       what was found: the terminal
    page, plots  what was found: a page with pictures
"""
