"""The daemon at the counter: the only room that sees everyone.

errors     what can go wrong here, each with a stable code
bill       a bill as HIS, POS or keyboard state it
typed_bill    a bill as the keyboard makes it, line by line
sample_bills  the demonstration's three bills
quote_file    bills and claims from files, a quote as text or JSON
desk       the card desk: one slot, one session, its state for the counter
card_thread  one thread for the card, with a deadline; one that hangs is replaced
lease      a link on loan to a session, taken back when it hangs
card_parts  wires what reads cards: link, keys, acceptance, PIN
credentials  vouchers and identity cards at the counter: what is taken, how long
credential_sources  where they come from: scanner, the ministry's module, demo
scanner_desk the scanner on a serial line: what it reads lies on the counter
vouchers   electronic vouchers exchanged: the terminal's side
voucher_window the same beside the reference centre
tls_certificate  until when a TLS certificate is good
trace_file the file of --trace: one line a step, masked before it comes here
pin_ways   how a holder's PIN gets to the card: typed, on a pad, judged by the centre
hidden_input  PINs and numbers typed at a command: unseen, and wiped
central_password  a holder's password at the centre, asked once
card_files  files of the card: for callers of the old drivers, for the holder
deck       the demonstration's cards and their emulated slot
service    what the routes ask of whoever is behind them, as a protocol
cashier    the service: puts the work of the counter together, passes each request on
site       where this terminal stands, and what its site decided
counter_credentials  who stands at the counter: card, voucher, identity card, PIN
holder_lookup  who the centre says he is, asked once per card session
quoting    a bill worked out on both sides, ready to be shown or sent
visits     visits registered for a bill; those nobody settled are withdrawn
intents    all that is durable before the first byte of a settlement leaves
settling   a bill reserved, worked out, durable, sent once
concluding how a settlement ends, with the bytes of every retry; late answers
cancelling a settlement taken back whole, here or at the centre
by_statement  what a message booked, or that it booked nothing, by a day's rows
part_refunds  a part given back: the whole cancelled, the rest settled or waived
doubtful   a quarantined settlement that a person gives back to the worker
looking_up settlements found in the journal: one, today's, the undecided
telling    what is told of a settlement, to listeners and to who asked
reservations  what may run only once at a time, reserved by name
replays    the same request answered again, the same bill refused
readiness  what readiness says of each part
resolver   the worker that ends every unknown: found, or reversed
periods    clearing periods: where postings go, and closing a month
remainder  what stays when a part goes back, owed until it is settled
day        the end of the day: 3201, 3202, differences
rebuild    a new journal in the place of a damaged one, from chain and centre
retelling  a journal's lost end told again: evidence held against the centre's book
lost_intent  what is left of a settlement whose own entry is lost
gap        what the centre booked in the days that a journal lost
demo       one whole settlement without a browser
centre_keys  the reference centre's pair of keys
journal_keys  the keys of the journal, from settings
keyring_key  its outer key in the system's keyring
token_key  its outer key in a PKCS#11 token
disk_room  room on the disk: told in time, and kept for what is under way
device     this terminal as a centre tells it from copies of itself
parts      the one place that wires real parts from settings
supervise  the reference centre as a supervised child process
centre_command  the reference centre as a process of its own
centre_wsgi  the same for any WSGI server, one application per process
key_exchange  questions about card keys to the centre, over HTTP
key_window  the reference centre's answers to them, in demonstration only
key_seal   what binds a question, and its answer, to one terminal and session
events     what the counter hears, as a bounded stream
announce   what changed, told to the events and the figures
views      what the service tells its callers, already masked
record_view  a journal record as screens, receipts and the API show it
masking    how personal fields look where seeing them is not the purpose
api        the POS interface: JSON in, JSON out, problem details
api_models  its shapes: checked on the way in, documented on the way out
driver_api  the old drivers' calls over the POS interface
counter    the counter's pages
self_pages  the holder's own page: card, PIN, record, the end
self_service  what it shows of a card and of the centre, row by row
self_words  what it says, and the official words of what stands on a card
day_totals  what the day's settlements come to, for its page
split_panel  who pays what, as the page draws it
receipt    a settlement as a receipt, on screen and as PDF
words      what the screens say, Chinese and English
problems   error to HTTP status, sentence and reversal status
guard      who may talk to the daemon: Host, Origin, token
app        create_app(cashier, ...): routes over the service
server     waitress around the app: bounded threads and a drained stop
health     alive, ready and why not
metrics    what Prometheus scrapes
log        JSON lines without personal data
commands/  what the commands of run_terminal.py do
replay/     what settled bills would cost under another pack
bench/     figures, each against a reference of the same run
templates/ the pages
static/    stylesheet, script and font; nothing comes from elsewhere
"""
