"""The daemon at the counter: the only room that sees everyone.

errors     what can go wrong here, each with a stable code
bill       a bill as HIS, POS or keyboard state it
desk       the card desk: one slot, one session, its state for the counter
cashier    the service: read, quote, verify, settle, cancel, look up
resolver   the worker that ends every unknown: found, or reversed
day        the end of the day: 3201, 3202, differences
parts      the one place that wires real parts from settings
supervise  the reference centre as a supervised child process
events     what the counter hears, as a bounded stream
api        the POS interface: JSON in, JSON out, problem details
counter    the counter's pages
receipt    a settlement as a receipt, on screen and as PDF
words      what the screens say, Chinese and English
problems   error to HTTP status, sentence and reversal status
guard      who may talk to the daemon: Host, Origin, token
app        create_app(cashier, ...): routes over the service
health     alive, ready and why not
metrics    what Prometheus scrapes
log        JSON lines without personal data
"""
