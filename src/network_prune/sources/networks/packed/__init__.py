"""Networks in files of their own: zeros as bits, and how the network is built."""
