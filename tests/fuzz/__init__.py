"""Runs of many random inputs: bounded here, longer by FUZZ_COUNT."""
