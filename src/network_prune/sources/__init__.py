"""Networks and data from anywhere, and the embedded default."""
