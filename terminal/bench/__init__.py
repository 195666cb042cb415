"""``bench``: figures, each against a reference measured in the same run.

An absolute time says little on a shared machine; the ratio to something everybody
knows, taken in turns, does. Durations here are floats: no money is.

figure  a figure, its goal, and two things timed in turns
engine  a quote with its reasons against the bare arithmetic
record  the journal against raw SQLite
start   start and memory of the daemon against bare Python
card    reading a card against the card's own time
centre  a message to the centre against bare HTTP
run     choose by name, measure, print
"""
