"""The central settlement ledger, from both sides of the wire.

port       what a terminal asks of a centre, as a protocol and plain values
errors     what can go wrong on the way: rejected, not sent, unknown
envelope   the message around every transaction, request and answer
signing    the CSB dialect's signature over the headers
gateway    the client: one message out, one classified answer back
statement  the TAB-separated files in ZIP of 3202
book       the centre's own ledger: persons, accumulators, settlements (SQLAlchemy Core)
server     the reference centre: answers the same messages from the book
"""
