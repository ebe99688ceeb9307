"""Which elements of a network are prunable."""
