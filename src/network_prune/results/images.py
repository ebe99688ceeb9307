"""Which images records are of: names and classes, for people, and what their bytes were."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from network_prune.errors import SourceError
from network_prune.results.outcome_store import OutcomeStore
from network_prune.sources.digests import SIZE, differing, sha256_of

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Images:
    """The images of a study in their order.

    Attributes:
        labels: class number of each, from 0.
        names: path below the data's folder, or other name, of each; empty where they have none.
        classes: what class numbers are called, of those that have a name.
    """

    labels: Sequence[int]
    names: Sequence[str] = ()
    classes: Mapping[int, str] = field(default_factory=dict[int, str])

    def name(self, position: int) -> str:
        """Return what the image at a position is called."""
        return self.names[position] if self.names else f"image {position}"

    def class_of(self, position: int) -> str:
        """Return what the class of the image at a position is called."""
        label = self.labels[position]
        return self.classes.get(label, str(label))

    def to_bytes(self) -> bytes:
        """Return all as JSON."""
        whole = {
            "labels": list(self.labels),
            "names": list(self.names),
            "classes": {str(label): name for label, name in sorted(self.classes.items())},
        }
        return json.dumps(whole, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return what `to_bytes` gave.

        Raises:
            ValueError: the content is something else.
        """
        try:
            whole: Any = json.loads(content)
            labels, names = map(int, whole["labels"]), map(str, whole["names"])
            classes = {int(label): str(name) for label, name in whole["classes"].items()}
            found = cls(list(labels), list(names), classes)
        except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
            raise ValueError(f"no images: {error!r}") from None
        if found.names and len(found.names) != len(found.labels):
            raise ValueError(f"{len(found.names)} names of {len(found.labels)} images")
        return found


@dataclass(frozen=True, slots=True)
class BytesRead:
    """What images were read from, once.

    Attributes:
        sha256: over the digests of all of them; it names the piece that keeps these.
        digests: of each, in order; None where they weren't kept.
    """

    sha256: str
    digests: bytes | None

    @classmethod
    def of(cls, digests: bytes) -> Self:
        """Return what is known of images by their digests."""
        return cls(sha256_of(digests), digests)


def bytes_read(
    records: Iterable[Mapping[str, Any]], store: OutcomeStore, part: str, **known: Any
) -> Iterator[BytesRead]:
    """Yield what the images of some records were read from, as far as these say it, each once.

    Args:
        records: of which those count that hold ``known`` in their ``part``.
        store: may have the digests.
        part: what of a record says which images they are, and in its ``read`` their hash.
        known: what these images are.
    """
    seen: set[str] = set()
    for record in records:
        sha256 = (record.get("read") or {}).get(part)
        images = record.get(part) or {}
        is_same = all(images.get(name) == value for name, value in known.items())
        if sha256 is not None and is_same and sha256 not in seen:
            seen.add(sha256)
            yield BytesRead(sha256, store.get(sha256))


def check_bytes(
    found: bytes,
    before: Iterable[BytesRead],
    *,
    what: str,
    n: int,
    name: Callable[[int], str],
    first: int = 0,
) -> None:
    """Refuse images that were read from other bytes before.

    Args:
        found: digests of some images that follow on each other.
        before: what all were read from before.
        what: what the images are called.
        n: how many they are in all.
        name: gives the name of the image at a place.
        first: the place of the first one among all.

    Raises:
        SourceError: some are others; it names the first of them.
    """
    for each in before:
        known = None if each.digests is None else each.digests[first * SIZE :]
        places = [] if known is None else [first + at for at in differing(found, known)]
        is_unknown = known is None and len(found) == n * SIZE
        if places or (is_unknown and sha256_of(found) != each.sha256):
            raise SourceError(
                f"the images of {what} aren't those that were read for this study before: "
                f"{names_of(places, name)}; bring the old ones back, or pass another folder "
                "with --out"
            )


def names_of(places: Sequence[int], name: Callable[[int], str]) -> str:
    """Return which images have other bytes, for people; without places that isn't known."""
    if not places:
        return "some have other bytes (which ones isn't known without outcomes)"
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    shown = ", ".join(map(name, places[:_SHOWN]))
    return f"{shown}{more} {'has' if len(places) == 1 else 'have'} other bytes"
