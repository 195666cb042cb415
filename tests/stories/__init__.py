"""Whole settlements told as stories over a small centre."""
