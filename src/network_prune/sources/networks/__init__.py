"""Networks by name, with weights and preprocessing."""
