"""Measure what a network does with labelled images."""
