"""What holds for every pack and every bill."""
