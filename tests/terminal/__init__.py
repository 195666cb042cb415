"""Tests of the daemon at the counter."""
