"""The card at the counter: from the slot to a credential. Knows no money.

errors      the tree of what can go wrong, each with its sentence
apdu        commands and status words; no I/O
codec       bytes to text and dates: GB 18030, BCD, padding
profile     a card generation's files, keys and rules as typed data
files       a card file's records decoded by the profile
crypto      3DES and SM4: diversification, session keys, authentication data
keys        KeyProvider: who holds the keys; test keys for emulated cards
greeting    what a card says of itself: answer to reset and FCI
proof       card and terminal authenticate each other
pin         the holder's PIN: tries, format, block, wiping
listed      which genuine cards a site takes: reported cards, issuers, classes
reading     a file's bytes off the card
recognition from a card's first two files to its profile and holder
session     select, authenticate, read, verify over a Link
credential  what a read ends in: who, proven how
frames      frames on a serial line: one codec, the documented formats as data
serial_pinpad a PIN pad on a serial line: an enciphered block, presented once
identity_card the resident identity card through the ministry's module
scanner     an electronic voucher that was scanned, exchanged at the centre
driver      the old drivers' strings and error numbers, both ways
person_number the citizen's number: its check, day and sex
part10      PIN pads in PC/SC readers: the structures of part 10
providers/  who holds the keys at a site: PSAM, HSM, the centre, one after another
trace_mask  what a card says of its holder, taken out of a transcript
watch       insertion, removal, reader gone and back, each told once
link        the Link protocol
links/      PC/SC in a process of its own, serial readers, transcripts, emulator
emulator/   the card's operating system (COS) driven by the same profile
"""
