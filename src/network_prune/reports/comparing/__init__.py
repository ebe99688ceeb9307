"""Variants, draws, networks and studies compared image by image, for people."""
