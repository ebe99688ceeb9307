"""Figures of transfer runs from records and predictions alone; nothing here runs a network."""
