"""What networks cost, and what pruning leaves of it."""
