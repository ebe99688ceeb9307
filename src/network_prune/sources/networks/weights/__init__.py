"""Weights of networks: read from files, found in checkpoints, fitted to a network."""
