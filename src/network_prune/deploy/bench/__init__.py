"""Networks side by side: time, memory and size."""
