"""One pass of a study: what is due, what is under way, and what becomes of it."""
