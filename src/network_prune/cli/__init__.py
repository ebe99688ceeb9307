"""The command line: parse, call, print. PyTorch is imported only when a command needs it."""
