"""Which of a network's outputs a list of class names stands for."""

import re
from collections.abc import Collection, Sequence
from functools import cache

from network_prune.errors import SourceError

IMAGENET_CLASSES = 1000
_SYNSET = re.compile(r"n\d{8}")


@cache
def imagenet_numbers() -> dict[str, int]:
    """Return the class number of each of ImageNet's 1000 synset names, such as n01440764.

    Classes are numbered in the names' order, as torchvision's and timm's networks do.
    """
    # timm takes seconds to import, and most data doesn't need it.
    from timm.data.imagenet_info import ImageNetInfo

    return {name: number for number, name in enumerate(sorted(ImageNetInfo().label_names()))}


def synset_numbers(names: Collection[str], classes: int | None) -> dict[str, int] | None:
    """Return ImageNet's class number for each of the synset ``names``, None if they aren't that.

    They stand for ImageNet's numbers where the network has 1000 classes or its
    number of classes isn't known.
    """
    if classes not in (None, IMAGENET_CLASSES) or not all(map(_SYNSET.fullmatch, names)):
        return None
    known = imagenet_numbers()
    return {name: known[name] for name in names} if known.keys() >= set(names) else None


def number_classes(
    names: Sequence[str], classes: int | None, *, where: str, kind: str = "classes", hint: str = ""
) -> list[int]:
    """Return the network's output that each of the class ``names`` stands for.

    Synset names of ImageNet, also of some of its classes alone as in Imagenette,
    stand for ImageNet's outputs, unless the network has another number of
    classes than 1000. All other names stand for the outputs in their order, so
    there must be as many of them.

    Args:
        names: the class names in the data's order.
        classes: number of the network's outputs, None if unknown.
        where: what has these classes, for errors.
        kind: what the classes are, for errors.
        hint: what else would fit, for errors.

    Raises:
        SourceError: the names don't fit the network.
    """
    synsets = synset_numbers(names, classes)
    if synsets is not None:
        return [synsets[name] for name in names]
    if classes == IMAGENET_CLASSES and all(map(_SYNSET.fullmatch, names)):
        _refuse_foreign(names, where, kind)
    if classes is not None and len(names) != classes:
        fits = ""
        if classes == IMAGENET_CLASSES:
            fits = ", or some of them named by ImageNet's synsets such as n01440764"
        raise SourceError(
            f"{where} has {len(names)} {kind} ({some(names)}), but the network has "
            f"{classes} classes; it takes {classes} {kind}{fits}{hint}"
        )
    return list(range(len(names)))


def some(names: Sequence[str]) -> str:
    """Return the first three of ``names`` for an error."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _refuse_foreign(names: Sequence[str], where: str, kind: str) -> None:
    """Refuse ImageNet's synsets mixed with others: the order would then number them wrongly."""
    known = imagenet_numbers()
    foreign = [name for name in names if name not in known]
    if len(foreign) < len(names):
        raise SourceError(
            f"{where} has {len(foreign)} {kind} that aren't among ImageNet's 1000 synsets "
            f"({some(foreign)}) beside {len(names) - len(foreign)} that are; "
            "remove them or list the images in a manifest with class numbers"
        )
