"""Figures that others published, and what was measured beside them."""
