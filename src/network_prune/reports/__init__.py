"""Records as tables, files and plots."""
