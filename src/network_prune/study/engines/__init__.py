"""Engines that others wrote, which run the units of a study on many machines."""
