"""Transfer runs of a second: tiny networks, a few digits, some iterations."""

from pathlib import Path
from typing import Any

NETWORKS = Path(__file__).with_name("tiny_networks.py")


def net(name: str) -> str:
    return f"{NETWORKS}:{name}"


FIRST, SECOND, THIRD = map(net, ("first", "second", "third"))


def plan(**changes: Any) -> dict[str, Any]:
    """A plan of two rows: the first network as it is and under dwp."""
    usual = {
        "surrogate": [FIRST],
        "victim": [SECOND],
        "data": "digits",
        "limit": 7,
        "batch_size": 3,
        "augmentation": ["none", "dwp"],
        "passes": 4,
        "epsilon": 0.2,
        "step": 0.05,
        "seeds": 1,
        "diversity": 0.0,
        "translation": 0,
    }
    return {**usual, **changes}


def quiet(_: object) -> None:
    """Listen to no event."""
