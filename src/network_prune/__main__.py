"""``network-prune`` and ``python -m network_prune``: the command line, once it is imported."""

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; ``arguments`` are those of the process by default."""
    try:
        # Importing takes a second, in which Ctrl-C is pressed, too.
        from network_prune.cli.main import main as run
    except KeyboardInterrupt:
        print("network-prune: error: interrupted before anything was done", file=sys.stderr)
        sys.exit(130)
    run(arguments)


if __name__ == "__main__":
    main()
