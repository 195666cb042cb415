"""What a bill costs whom, and the books.

errors      the tree of what can go wrong
money       integer fen, and the only place that rounds
claim       what is asked: visit, fee lines, person, accumulators of the year
catalogue   what each item is, as far as money goes
policy      what the region's text says, as typed and dated values
claim_facts a claim as the journal keeps it, to be split again any day
entitlement does the person enjoy the benefits on the day
lowering    a claim as whole numbers and words: what a program takes apart
program     a split as a line of whole-number operations, run on one bill
plan        what is chosen and worked out once for bills that share a few facts
compiler    writes one plan, fund by fund: the only place that knows a fund
pack_program  a pack ready to split: the plan for each kind of bill
engine      (claim, pack) -> Split | Refused
stays       a stay over the year's end, in two parts
refund      a settlement taken back, or a year settled again; vouchers, no edits
attribution why the centre's figures differ from ours: the usual suspects, tried
columns     the same plans over columns of many bills (NumPy; no daemon loads it)
split       what comes out: sums, and on demand the reason for every fen
numerals    exact numbers as a policy text prints them
basis       what a fund's amounts are taken of, told
reasons     the reasons, told from the figures a plan worked out
explain     the reasons as rows, tree and sentences, Chinese or English
verify      an explanation proved from its printed rows alone, apart from the engine
examples    published worked examples, run through the same program
ledger      balanced postings
clearing    the month a posting belongs to, and what a month comes to
lifecycle   the states of a settlement and the only ways between them
reconcile   our book against the centre's, differences by kind
facts       values as the journal keeps them: JSON with amounts as text
msgids      numbers for messages, never given out twice
schema      the journal's tables, triggers and migrations (SQLite)
chain       the hash chain over the final bytes, and its anchor beside the file
journal     the terminal's own durable record (SQLite through sqlite-utils)
journal_records  what it holds, as values; rows folded into a settlement
journal_reading  what it tells, on each thread's own connection, every row proven
personal_search  people found by a keyed hash, without opening anything
journal_migration  brought up to this schema, the one before kept beside it
journal_opening  its files judged before anything is written: damage is left as found
journal_proof  the proof: edited, deleted, reordered or truncated rows, each named
journal_backup  a copy while it is written, and the drill that tries one
journal_carving  rows out of a spoilt SQLite file, page by page; none is believed
journal_salvage  what a damaged journal and its copies still prove
journal_rebuild  a new one beside it: written, finished, put in its place
journal_sweep  the same proof in one quick pass, which names nothing
lean_sqlite    sqlite-utils without the analytics it would pull in
filelock    one process at a time
journal_errors  what can go wrong with the record
ciphers     the ciphers a personal field may be sealed with
outer_key   the key around the keys, as a protocol, and where it may be kept
key_ring    the ring of a journal's keys, wrapped; a rotation adds one
key_files   outer keys in a file beside the journal, and those before it
durable_files  small files that are whole whenever the power goes
seal        personal fields encrypted at rest, and the keyed hash to find them by
nhsa        the national interface's field table, the only home of its names
centre/     the central ledger: gateway (client), book and server (reference centre)

Knows nothing of readers, files of configuration, or the daemon.
"""
