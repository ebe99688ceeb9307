"""What is done to a surrogate in each iteration of an attack."""
