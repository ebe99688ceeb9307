"""What a network's outputs stand for, as far as it is known."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from network_prune.errors import SourceError
from network_prune.sources.imagenet import IMAGENET_CLASSES, synsets_of, to_synsets


@dataclass(frozen=True, slots=True)
class Outputs:
    """A network's outputs.

    Attributes:
        count: how many there are, None if unknown.
        names: the classes that the network itself says they stand for, in order; empty if it
            says nothing.
    """

    count: int | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, classes: int | Sequence[str] | None) -> "Outputs":
        """Return the outputs of which the number or the names are given.

        Raises:
            SourceError: ``classes`` is a single name.
        """
        if classes is None or isinstance(classes, int):
            return cls(classes)
        if isinstance(classes, str):
            raise SourceError(f"classes={classes!r} is one name; pass a list of all")
        return cls(len(classes), tuple(classes))

    def find(self, names: Sequence[str]) -> list[int | None]:
        """Return the output that each of the class ``names`` stands for, None where none is known.

        Names are compared as they are; else in lower case, with ``_``, ``-`` and spaces
        alike; else as names of ImageNet's classes. Where the network says nothing of its
        outputs, they are ImageNet's if their number is one of ImageNet's.
        """
        found: list[int | None] = [None] * len(names)
        plain = [_plain(name) for name in names]
        for own, asked in ((self.names, names), (map(_plain, self.names), plain)):
            places = _places(own)
            found = max(found, [places.get(name) for name in asked], key=_known)
            if None not in found:
                return found
        asked_synsets = to_synsets(names)
        if asked_synsets is None:
            return found
        places = _places(self._synsets())
        by_synset = [None if name is None else places.get(name) for name in asked_synsets]
        return max(found, by_synset, key=_known)

    def names_any(self, names: Sequence[str]) -> bool:
        """Return whether the network itself calls one of its outputs by one of ``names``."""
        return not {_plain(name) for name in self.names}.isdisjoint(map(_plain, names))

    def _synsets(self) -> tuple[str | None, ...]:
        if self.names:
            return to_synsets(self.names) or ()
        return synsets_of(IMAGENET_CLASSES if self.count is None else self.count)


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _places(names: Iterable[str | None]) -> dict[str, int]:
    """Return the place of each of the names that there is once."""
    names = list(names)
    counts = Counter(names)
    return {name: place for place, name in enumerate(names) if name and counts[name] == 1}


def _known(found: Sequence[int | None]) -> int:
    return len(found) - list(found).count(None)
