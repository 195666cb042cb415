"""A second reading of the packs, in plain decimals, against the engine."""
