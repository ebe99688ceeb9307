"""``python -m network_prune`` is ``network-prune``."""

from network_prune.cli.main import main

if __name__ == "__main__":
    main()
