"""Networks written for other programs, and read back to see that they are the same."""
