"""Cut out of a network what can make no difference to its outputs."""
