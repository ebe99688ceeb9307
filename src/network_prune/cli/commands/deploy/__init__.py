"""What is done with a network that is cut: to find how far, to remove, to time."""
