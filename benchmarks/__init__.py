"""ctorch beside PyTorch, on one machine in one run: `make bench`, or `python -m benchmarks --help`.

    rows_*.py     what is measured: a row is a name, a class, a function that makes the work
    worker.py     one process of one module, which checks and times rows when asked
    machine.py    what the hardware allows: peak.c is compiled on the spot
    report.py     ratios, intervals, the table
    __main__.py   the rounds of processes
    call_cost.py  where the nanoseconds of one call go
"""
