"""Which of a network's outputs the classes of data stand for."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from network_prune.errors import SourceError
from network_prune.sources.imagenet import IMAGENET_CLASSES, are_synsets
from network_prune.sources.outputs import Outputs

NUMBERS = "number"
_WHOLE = re.compile(r"[+-]?\d{1,19}")
_IN_ORDER = "pass class_order='data' (--class-order data) if they stand in the outputs' order"


@dataclass(frozen=True, slots=True)
class Matched:
    """Classes, each with an output of the network.

    Attributes:
        numbers: the output of each.
        by: what they are matched by, for people.
        notes: what to know about it.
    """

    numbers: list[int]
    by: str
    notes: tuple[str, ...] = ()


def match_classes(
    names: Sequence[str],
    outputs: Outputs,
    *,
    where: str,
    order: str | None = None,
    kind: str = "classes",
    hint: str = "",
) -> Matched:
    """Return the network's output that each of the class ``names`` stands for.

    Where the network says what its outputs stand for, classes are matched by name, and
    some of the outputs may have none. Where it doesn't, ImageNet's synsets are, if it has
    ImageNet's number of outputs; all other names stand for the outputs in their order, so
    there must be as many of them.

    Args:
        names: the class names in the data's order.
        outputs: the network's outputs.
        where: what has these classes, for errors.
        order: ``data`` to let them stand for the outputs in their order whatever they are
            called, ``text`` in the order of the names as text; None as above.
        kind: what the classes are, for errors.
        hint: what else would fit, for errors.

    Raises:
        SourceError: the names don't fit the network.
    """
    if order is not None:
        _check_count(names, outputs, where, kind, hint)
        places = {name: place for place, name in enumerate(sorted(names))}
        numbers = [places[name] for name in names] if order == "text" else [*range(len(names))]
        return Matched(numbers, f"order ({order})")
    found = _find(names, outputs)
    known = [number for number in found if number is not None]
    if len(known) == len(names):
        _refuse_doubles(names, known, where, kind)
        return Matched(known, "name")
    if outputs.names:
        return _in_agreeing_order(names, outputs, found, where, kind)
    if known:
        _refuse_foreign(names, outputs, found, where, kind)
    _check_count(names, outputs, where, kind, hint)
    return Matched(list(range(len(names))), "order")


def number_labels(
    texts: Sequence[str],
    outputs: Outputs,
    *,
    where: Callable[[int], str],
    column: str = "label",
    counts: bool = False,
) -> tuple[np.ndarray, Matched | None]:
    """Return the class numbers that labels written as ``texts`` stand for, int64 [n].

    Beside them, what the classes are matched by, None for mere numbers.

    Args:
        texts: names of classes that the network has outputs for, or whole numbers.
        outputs: the network's outputs.
        where: names the place of the label at a position, for errors.
        column: what the labels are called there.
        counts: whether whole numbers are just that, also if the network has classes
            that are called so.

    Raises:
        SourceError: a label is neither.
    """
    distinct = list(dict.fromkeys(texts))
    are_whole = all(map(_is_whole, distinct))
    stripped = [text.strip() for text in distinct]
    are_numbers = are_whole and (counts or not outputs.names_any(stripped))
    found = [None] if are_numbers else _find(stripped, outputs)
    if None not in found:
        known = [number for number in found if number is not None]
        numbers, matched = dict(zip(distinct, known, strict=True)), Matched(known, "name")
    elif are_numbers:
        numbers, matched = {text: int(text) for text in distinct}, None
    else:
        raise _no_label(distinct, found, texts, outputs, where, column)
    return np.fromiter(map(numbers.__getitem__, texts), dtype=np.int64), matched


def check_class_count(own: int, outputs: Outputs, *, what: str, instead: str = "") -> None:
    """Refuse a network of another number of outputs than the data's ``own``.

    Raises:
        SourceError: the number is known and differs; the message calls the data ``what``.
    """
    if outputs.count not in (None, own):
        raise SourceError(
            f"{what} {own} classes, but the network has {outputs.count}; "
            f"pass data of the network's classes{instead}"
        )


def some(names: Sequence[str]) -> str:
    """Return the first three of ``names`` for an error."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _find(names: Sequence[str], outputs: Outputs) -> list[int | None]:
    """Return the outputs of ``names``, None where order has to say it.

    Who trained a network on as many classes as it has outputs, called in words, has
    numbered them in some order of these words, also if they are ImageNet's.
    """
    is_own_order = outputs.count in (None, len(names)) and not are_synsets(names)
    if is_own_order and not outputs.names:
        return [None] * len(names)
    return outputs.find(names)


def _in_agreeing_order(
    names: Sequence[str], outputs: Outputs, found: Sequence[int | None], where: str, kind: str
) -> Matched:
    """Match by order where most names agree with it, as when a few are spelled otherwise."""
    foreign = [name for name, number in zip(names, found, strict=True) if number is None]
    agrees = all(number in (None, place) for place, number in enumerate(found))
    as_many = len(names) == outputs.count
    what = f"{len(foreign)} of {len(names)} {kind} ({some(foreign)})"
    if as_many and agrees and 2 * len(foreign) <= len(names):
        note = f"{where}: {what} have other names in the network; all are matched by their order"
        return Matched(list(range(len(names))), "order", (note,))
    fits = f"; {_IN_ORDER}" if as_many else ""
    raise SourceError(
        f"{where} has {what} that aren't among the network's {outputs.count} "
        f"({some(outputs.names)}); pass data of its classes{fits}"
    )


def _no_label(
    distinct: Sequence[str],
    found: Sequence[int | None],
    texts: Sequence[str],
    outputs: Outputs,
    where: Callable[[int], str],
    column: str,
) -> SourceError:
    missing = [text for text, number in zip(distinct, found, strict=True) if number is None]
    wrong = min(missing, key=_is_whole)
    is_whole = "isn't one" if _is_whole(wrong) else "is no whole number and none"
    if outputs.names:
        remedy = f"{is_whole} of the network's classes ({some(outputs.names)})"
    else:
        remedy = "is no whole number; pass numbers, or names that the network gives its outputs"
    return SourceError(f"{where(texts.index(wrong))}: {column} {wrong[:40]!r} {remedy}")


def _is_whole(text: str) -> bool:
    return bool(_WHOLE.fullmatch(text.strip())) and -(2**63) <= int(text) < 2**63


def _check_count(names: Sequence[str], outputs: Outputs, where: str, kind: str, hint: str) -> None:
    count = outputs.count
    if count in (None, len(names)):
        return
    fits = ""
    if not outputs.names and outputs.find(["n01440764"]) != [None]:
        fits = ", or some of them named by ImageNet's synsets such as n01440764"
    raise SourceError(
        f"{where} has {len(names)} {kind} ({some(names)}), but the network has "
        f"{count} classes; it takes {count} {kind}{fits}{hint}"
    )


def _refuse_doubles(names: Sequence[str], numbers: Sequence[int], where: str, kind: str) -> None:
    first: dict[int, str] = {}
    for name, number in zip(names, numbers, strict=True):
        if (other := first.setdefault(number, name)) != name:
            raise SourceError(
                f"{where} has {kind} {other!r} and {name!r}, which are one class of the "
                "network; join them"
            )


def _refuse_foreign(
    names: Sequence[str],
    outputs: Outputs,
    found: Sequence[int | None],
    where: str,
    kind: str,
) -> None:
    """Refuse ImageNet's classes mixed with others: the order would then number them wrongly."""
    foreign = [name for name, number in zip(names, found, strict=True) if number is None]
    raise SourceError(
        f"{where} has {len(foreign)} {kind} that aren't among ImageNet's "
        f"{outputs.count or IMAGENET_CLASSES} synsets ({some(foreign)}) beside "
        f"{len(names) - len(foreign)} that are; "
        "remove them or list the images in a manifest with class numbers"
    )
