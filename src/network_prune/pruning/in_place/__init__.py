"""Draws written into a network's weights."""
