"""What Wavelength costs, each time measured against a reference beside it, on the same server in the same run.

`python -m bench` (or `make bench`) prints the table; `bench/rows.py` lists its rows, and docs/benchmarks.md
says how to read it. A new row is a module with a `Row`, and its name in `ROWS`.
"""
