"""The card at the counter: from the slot to a credential. Knows no money.

errors      the tree of what can go wrong, each with its sentence
apdu        commands and status words; no I/O
codec       bytes to text and dates: GB 18030, BCD, padding
profile     a card generation's files, keys and rules as typed data
files       a card file's records decoded by the profile
crypto      3DES and SM4: diversification, session keys, authentication data
keys        KeyProvider: who holds the keys (test keys; later PSAM, HSM, centre)
greeting    what a card says of itself: answer to reset and FCI
proof       card and terminal authenticate each other
pin         the holder's PIN: tries, format, block, wiping
session     select, authenticate, read, verify over a Link
credential  what a read ends in: who, proven how
link        the Link protocol
links/      pcsc (the only importer of pyscard), emulator
emulator/   the card's operating system (COS) driven by the same profile
"""
