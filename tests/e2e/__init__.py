"""Stories through a real browser, against the program as its users start it."""
