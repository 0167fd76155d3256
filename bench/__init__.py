"""What the portal promises about its speed, measured against what its foundations can do on the same machine.

`python -m bench` (or `make bench`) prints a table and writes it to `bench/results.md`. Each measure is a ratio between
two things run one after the other, several times, on the same servers: a slow or busy machine slows both.
"""
