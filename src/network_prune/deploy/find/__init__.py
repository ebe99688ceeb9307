"""How far a network can be cut."""
