"""Implementations of the Link protocol.

emulator   an emulated slot in this process
pcsc       a PC/SC reader through pyscard; imported only when chosen
"""
