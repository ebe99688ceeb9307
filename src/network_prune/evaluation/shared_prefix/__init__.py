"""What variants of a network have in common is computed once."""
