"""The central settlement ledger, from both sides of the wire.

port       what a terminal asks of a centre, as a protocol and plain values
errors     what can go wrong on the way: rejected, not sent, unknown
gateway    the client: one message out, one classified answer back
fields     every field of every message, from one table (interface.tsv)
identities  what an answer about money must keep before it is believed
profile    what differs from one province's centre to the next
dialect    how a message is signed and addressed: CSB, TIF
tif        the TIF signature, from both sides
cainfo     what goes into 数字签名信息
circuit    when to stop knocking at a centre that is away, and when to knock again
wire       bytes to the centre and back, once: what failed before the first, what after
offset     how far this machine's clock is from the centre's, by its answers
requests   what the terminal asks, as nodes of each transaction
replies    what the centre answered, as plain values
statement  the TAB-separated files in ZIP of 3202
book       the centre's own ledger: one transaction per message (SQLAlchemy Core)
migrations  the numbered steps from one layout of it to the next
tables     its tables, append-only where something is posted
persons    who is insured, for what, and how the year and the account stand
visits     visits, diagnoses, fee lines
numbers    ids drawn ahead of their use, once for each process
bulk       rows of several tables, written in one go
records    settlements, negative records, reversals, double entry
inbox      which messages came: each books once, a reversed one never
heads      what a terminal tells of its journal, so that a copy of it can be told
fence      one terminal, one journal: copies and older ones book nothing
registry   institutions, operators and access keys
enrolling  insured persons by the million, from CSV
exporting  a day's statement in rows, and what the book comes to by account
drawer     sign-ins and files
refusal    what the centre says no with
gate       the signature as the centre checks it
forms      how a field of a message is read, or refused by name
intake     what each transaction asks, as plain values
answers    what each transaction answers, as its nodes
settling   what the centre works out: its own classes, pack and accumulators
shelf      the packs, the catalogue and the engine behind it
comparing  the statement: sums and rows against the book
transactions  what is done for each transaction
faults     how the reference centre misbehaves on order
server     the reference centre as a WSGI application
serving    the same on a port of this machine
"""
