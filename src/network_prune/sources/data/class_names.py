"""Which of a network's outputs a list of class names stands for."""

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache

import numpy as np

from network_prune.errors import SourceError

IMAGENET_CLASSES = 1000
_SYNSET = re.compile(r"n\d{8}")
_WHOLE = re.compile(r"[+-]?\d{1,19}")


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


def number_labels(
    texts: Sequence[str],
    classes: int | None,
    *,
    where: Callable[[int], str],
    column: str = "label",
    first: int = 0,
) -> np.ndarray:
    """Return the class numbers that labels written as ``texts`` stand for, int64 [n].

    Args:
        texts: whole numbers or, for a network with ImageNet's outputs, its synset names.
        classes: number of the network's outputs, None if unknown.
        where: names the place of the label at a position, for errors.
        column: what the labels are called there.
        first: number of the first of ImageNet's classes.

    Raises:
        SourceError: a label is neither.
    """
    distinct = set(texts)
    numbers = {text: int(text) for text in distinct if _is_whole(text)}
    if len(numbers) < len(distinct):
        synsets = synset_numbers(set(map(str.strip, distinct)), classes)
        if synsets is None:
            position = next(n for n, text in enumerate(texts) if text not in numbers)
            raise SourceError(
                f"{where(position)}: {column} {texts[position][:40]!r} is no whole number"
            )
        numbers = {text: synsets[text.strip()] + first for text in distinct}
    return np.fromiter(map(numbers.__getitem__, texts), dtype=np.int64)


def check_class_count(own: int, classes: int | None, *, what: str, instead: str = "") -> None:
    """Refuse a network of another number of outputs than the data's ``own``.

    Raises:
        SourceError: ``classes`` is known and differs; the message calls the data ``what``.
    """
    if classes not in (None, own):
        raise SourceError(
            f"{what} {own} classes, but the network has {classes}; "
            f"pass data of the network's classes{instead}"
        )


def _is_whole(text: str) -> bool:
    return bool(_WHOLE.fullmatch(text.strip())) and -(2**63) <= int(text) < 2**63


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
