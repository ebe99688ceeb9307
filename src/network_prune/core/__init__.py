"""Scores, ranking and drawing: pure functions and frozen values, no network in sight."""
