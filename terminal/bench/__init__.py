"""``bench``: figures, each against a reference measured in the same run.

An absolute time says little on a shared machine; the ratio to something everybody
knows, taken in turns, does. Durations here are floats: no money is.

figure         a figure, its goal, and two things timed in turns
split          one bill against plain whole numbers; told, from a claim, in a batch
split_columns  the batch by hand in NumPy and DuckDB
split_work     the bill and the pack of both
catalogue      importing and looking up items
replay         a million claims settled again
record         the journal against raw SQLite
start          start and memory of the daemon against bare Python
card           reading a card against the card's own time
centre         a message to the centre against bare HTTP
book           the centre's book against a bare commit and pgbench; many at once
resolving      how soon an unknown settlement is found
postgresql     a throw-away server to measure and test with
run            choose by name, measure, print
"""
