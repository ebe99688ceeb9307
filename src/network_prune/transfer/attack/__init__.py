"""One attack: its settings, its parts, its iterations."""
