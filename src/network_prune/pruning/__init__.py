"""Every way a network meets a mask."""
