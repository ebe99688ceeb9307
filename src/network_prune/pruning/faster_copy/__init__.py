"""Copies of a network that compute the same, faster."""
