"""What studies found: records, and what comes of comparing and grouping them; nothing runs here."""
