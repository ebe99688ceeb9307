"""Side by side with peers: one command, ratios that were measured in one process."""
