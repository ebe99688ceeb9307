"""Evaluate a pruned network: ``python eval.py --arch=resnet18 --p_prune=0.2 --p_bern=1``.

The same as ``network-prune eval``; ``python eval.py --help`` lists the options.
"""

import sys

try:
    from network_prune.__main__ import main
except ModuleNotFoundError as missing:
    sys.exit(
        f"eval.py: {missing.name} isn't installed for {sys.executable}; "
        f"run `make demo` once, then `.venv/bin/python eval.py`"
    )

if __name__ == "__main__":
    main(["eval", *sys.argv[1:]])
