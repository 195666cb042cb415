"""The card from the other side: what a real one would do, for demonstrations and tests.

cos    the card's operating system, driven by the same profile as the reader
quirks how real cards differ from the book, switched on per card
deck   emulated cards made from data
psam   a PSAM: roots of keys, session keys, proofs
key_service  the centre's key service: answers Step1
pcscd  a private PC/SC service with emulated readers
launch_pcscd  what becomes that service
vpcd   an emulated card in a slot of the real PC/SC service
serial_line   where serial devices are plugged in: pseudo-terminal or pipe
serial_reader a serial card reader in any dialect, with faults to order
pin_keyboard  a serial PIN pad
identity_sam  the ministry's module with an identity card on it
"""
