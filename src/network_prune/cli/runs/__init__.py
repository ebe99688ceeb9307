"""Runs as commands start and show them: in this process, as shards, on a cluster, tracked."""
