"""Studies on an MLflow server: records are sent while they come, from a process of their own."""
