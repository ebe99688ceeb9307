"""ImageNet's classes under the names that networks and data give them."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from network_prune.extras import require

IMAGENET_CLASSES: Final = 1000
_SYNSET: Final = re.compile(r"n\d{8}")
# Of 1000 names some are spelled otherwise here and there, or stand for two classes.
_KNOWN_SHARE: Final = 0.99
_WHAT: Final = "knowing ImageNet's classes by name"


def are_synsets(names: Collection[str]) -> bool:
    """Return whether all ``names`` are written as WordNet's synsets, such as n01440764."""
    return all(map(_SYNSET.fullmatch, names))


@cache
def synsets_of(count: int | None) -> tuple[str | None, ...]:
    """Return the synsets that networks with ``count`` outputs trained on ImageNet give, in order.

    1000 are ILSVRC's classes in their names' order, 1001 these after one for the background,
    None here; 11221, 11821, 21841, 21842 and 21843 are published parts of the whole.
    No other number says what the outputs are: an empty tuple.
    """
    require("timm", what=_WHAT)
    # timm takes seconds to import, and most data doesn't need it.
    from timm.data.imagenet_info import ImageNetInfo, infer_imagenet_subset

    if count == IMAGENET_CLASSES + 1:
        return (None, *synsets_of(IMAGENET_CLASSES))
    config: Any = {"num_classes": count}
    subset = infer_imagenet_subset(config)
    return tuple(ImageNetInfo(subset).label_names()) if subset else ()


@cache
def imagenet_numbers() -> dict[str, int]:
    """Return the class number of each of ILSVRC's 1000 synsets."""
    return {name: number for number, name in enumerate(synsets_of(IMAGENET_CLASSES)) if name}


def to_synsets(names: Sequence[str]) -> tuple[str | None, ...] | None:
    """Return the synset that each class name stands for; None if they aren't ImageNet's.

    They may be synsets, what transformers and the hub call ILSVRC's classes ("tench, Tinca
    tinca"), or the first word of that, as in torchvision ("tench"). A name that stands for two
    classes is no synset's, unless the whole list is in ILSVRC's order.
    """
    if are_synsets(names):
        return tuple(names)
    known = _english()
    found = tuple(known.get(name) for name in names)
    if sum(map(bool, found)) < _KNOWN_SHARE * len(names):
        return None
    numbers = imagenet_numbers()
    for first in (0, 1):
        in_order = len(names) == IMAGENET_CLASSES + first and all(
            name is None or numbers[name] == place - first for place, name in enumerate(found)
        )
        if in_order:
            return synsets_of(len(names))
    return found


@cache
def _english() -> dict[str, str]:
    """Return the synsets of ILSVRC's classes by what they are called in English."""
    require("timm", what=_WHAT)
    from timm.data.imagenet_info import ImageNetInfo

    whole: dict[str, str] = {}
    info = ImageNetInfo()
    for place, name in enumerate(info.label_names()):
        whole[name] = info.index_to_description(place)
    first = {name: text.partition(",")[0] for name, text in whole.items()}
    return _by_text(first) | _by_text(whole)


def _by_text(texts: dict[str, str]) -> dict[str, str]:
    counts = Counter(texts.values())
    return {text: name for name, text in texts.items() if counts[text] == 1}
