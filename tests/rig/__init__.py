"""The rig: a whole simulated day from one seed, with the real code, checked whole.

clock       time of a simulated world, and the power cut that may come at any look at it
network     the wire between terminal and centre: loses, delays, repeats, reorders
terminal    one terminal of that world: real journal, desk, gateway, cashier, resolver
world       the centre, its terminals, the weather, and what people do there in a day
one_day     the same with one terminal, step by step, for a test
laws        what must hold at the end of every history (I1 to I9)
mutants     planted bugs that the rig must catch
contention  eight terminals for the same persons: python -m tests.rig.contention
crashes     fails a disk at every write: python -m tests.rig.crashes (disk_shim.c)
days        runs many seeds and counts: python -m tests.rig.days
certificate  all of it for a stated budget, written down: make certificate
"""
