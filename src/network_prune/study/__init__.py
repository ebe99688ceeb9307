"""What is measured of a network, and how."""
