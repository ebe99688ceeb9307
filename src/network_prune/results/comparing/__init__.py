"""Variants against each other on the same images, with draws and images as sources of variation."""
