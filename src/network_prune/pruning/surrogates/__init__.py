"""Networks that prune another one afresh in each forward."""
