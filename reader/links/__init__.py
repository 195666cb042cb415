"""Implementations of the Link protocol.

emulator   an emulated slot in this process
pcsc       a PC/SC reader through pyscard; imported in the card process only
supervised  PC/SC as the terminal sees it: behind a process with deadlines
pcsc_child  that process
pipe        the frames between the two
serial      card readers on a serial line: dialects, two slots of one port
serial_port the only importer of pyserial
framed      one question and its answer in frames over a port
replay      a transcript that is asserted, and the link that writes one
"""
