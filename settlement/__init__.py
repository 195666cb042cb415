"""What a bill costs whom, and the books.

errors      the tree of what can go wrong
money       integer fen, and the only place that rounds
claim       what is asked: visit, fee lines, person, accumulators of the year
catalogue   what each item is, as far as money goes
policy      what the region's text says, as typed and dated values
rules       one pure function per step of the split
engine      the steps in order: (claim, pack) -> Settled | Refused
split       what comes out: charges, their reasons, and the sums read off them
explain     the reasons as sentences, Chinese or English
examples    published worked examples, run through the same steps
ledger      balanced postings
lifecycle   the states of a settlement and the only ways between them
reconcile   our book against the centre's, differences by kind
facts       values as the journal keeps them: JSON with amounts as text
schema      the journal's tables, triggers and migrations (SQLite)
chain       the hash chain over the final bytes, and its anchor beside the file
journal     the terminal's own durable record (SQLite through sqlite-utils)
verify      the proof: edited, deleted, reordered or truncated rows, each named
filelock    one process at a time
journal_errors  what can go wrong with the record
seal        personal fields encrypted at rest, and the keyed hash to find them by
nhsa        the national interface's field table, the only home of its names
centre/     the central ledger: gateway (client), book and server (reference centre)

Knows nothing of readers, files of configuration, or the daemon.
"""
