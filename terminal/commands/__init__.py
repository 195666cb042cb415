"""What the commands of run_terminal.py do, one module each; loaded when called.

serve      the daemon: parts, app, server, and what it says when it is up
quote      work out a claim file
card       read the card once, list the demonstration's cards
driver     answer one call of the old drivers
card_pin   change, unblock and reset a PIN at the service desk
emulate    offer emulated cards, readers and pads to other programs
centre_admin  who may settle at a centre, whom it insures, what its book says
centre_export  a day's statement as Parquet
release    let the centre forget which journal a terminal had
reconcile  close a day over the wire
ledger     a trial balance of a month, a day or a shift
journal    verify the journal's chain
rebuild    a damaged journal: what it proves, a new one, and its place
packs      check a folder of policy packs
examples   run published worked examples
doctor     look at the machine and say what is missing
doctor_centre   the way to the centre: line, certificate, clock, keys
doctor_storage  where the data lies: room on the disk, and the journal
doctor_finding  one thing that was looked at
output     one way to print for people and for programs

``centre``, ``demo`` and ``bench`` live in terminal/centre_command, demo and bench.
Each function returns the exit code: 0 yes, 1 no (not met, differences, a problem).
What could not run at all is an exception, which run_terminal.py turns into 2.
"""
