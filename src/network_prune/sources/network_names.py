"""Names of networks that can be told without importing the libraries that have them.

Each library marks the functions that build its networks; their names are read in its files.
"""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from network_prune.sources.digits.names import NAMES

_TIMM: Final = "timm:"
_BUILDER: Final = re.compile(r"^@register_model(?:\(\))?\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)


def network_names(start: str = "") -> list[str]:
    """Return names that ``--arch`` takes and that may begin as ``start`` does.

    The embedded networks', torchvision's, and timm's where ``start`` asks for these; of
    libraries that are installed. A few of timm's have no classifier.
    """
    if start.startswith(_TIMM):
        return [f"{_TIMM}{name}" for name in _built_in("timm")]
    return [*NAMES, *_built_in("torchvision"), _TIMM]


def _built_in(package: str) -> Iterator[str]:
    """Yield the names of the networks that a package's files say how to build."""
    found = importlib.util.find_spec(package)
    for folder in (found and found.submodule_search_locations) or ():
        for path in sorted(Path(folder, "models").glob("*.py")):
            yield from _BUILDER.findall(path.read_text(encoding="utf-8", errors="replace"))
