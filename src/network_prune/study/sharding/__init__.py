"""A study that several processes share: who does what, and one process's share of it."""
