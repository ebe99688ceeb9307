"""Retrain a network under masks: prune, train what is left, prune more."""
