"""Draws of a network against each other."""
