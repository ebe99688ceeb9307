"""Engines that others wrote, which attack the batches of a transfer run on many machines."""
