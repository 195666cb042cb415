"""Files of configuration: in, checked, or refused by key."""
