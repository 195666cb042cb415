"""The card at the counter: vectors, sessions, and every way they fail."""
