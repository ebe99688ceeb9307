"""What is drawn of a study: its curves, where pruning landed, which options matter."""
