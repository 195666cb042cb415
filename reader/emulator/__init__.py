"""The card from the other side: what a real one would do, for demonstrations and tests.

cos    the card's operating system, driven by the same profile as the reader
deck   emulated cards made from data
"""
