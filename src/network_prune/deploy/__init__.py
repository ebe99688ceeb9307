"""What comes after the cut: how far a network goes, and what is made of it."""
