"""Parts as lines of a file, each with a checksum."""

from collections.abc import Collection
from typing import Any, Final

from network_prune.results.lines.checksum import DamageError, checked, parse, signed
from network_prune.results.lines.form import Record
from network_prune.results.lines.layers import unpack_layers, with_packed_layers
from network_prune.results.outcome_store import OutcomeStore
from network_prune.results.parts.part import Part
from network_prune.results.parts.plain_sums import from_plain, to_plain
from network_prune.sources.digests import SIZE

_DIGESTS: Final = ("digests", "score_digests")


def part_line(part: Part, pieces: OutcomeStore) -> bytes:
    """Return a part as a line without an end; its digests become ``pieces``.

    Raises:
        RunError: these can't be written.
    """
    digests = {name: getattr(part, name) for name in _DIGESTS}
    return signed(
        {
            "part": with_packed_layers(part.head),
            "images": [part.images.start, part.images.stop],
            "sums": to_plain(part.sums),
            "left_out": part.left_out,
            **{name: pieces.put(each) if each else None for name, each in digests.items()},
            "names": part.names,
        }
    )


def done_line(cut: str, unit: int, keys: Collection[str], parts: Collection[str]) -> bytes:
    """Return the line that says that a unit of a cut is done.

    Args:
        cut: which.
        unit: its number.
        keys: of its variants.
        parts: of those among them that weren't recorded before, of which there are parts.
    """
    return signed({"done": unit, "cut": cut, "keys": list(keys), "parts": list(parts)})


def read_line(line: bytes) -> dict[str, Any]:
    """Return what a line without its end says.

    Raises:
        DamageError: it isn't what was written.
    """
    content = checked(line)
    if content is None:
        raise DamageError("it has no checksum")
    return parse(content)


def read_part(entry: dict[str, Any], pieces: OutcomeStore) -> Part:
    """Return the part that a line says.

    Raises:
        DamageError: it says none, or a piece isn't there.
    """
    try:
        head: Record = entry["part"]
        unpack_layers(head)
        images, sums = range(*entry["images"]), from_plain(entry["sums"])
        digests = {name: _digests(pieces, entry[name]) for name in _DIGESTS}
        left_out = tuple(entry["left_out"])
        names: str | None = entry["names"]
        is_whole = len(sums.outcomes) + len(left_out) == len(images)
        if not is_whole or len(digests["digests"]) != SIZE * len(images):
            raise DamageError("it is of another number of images")
        if names is not None and pieces.get(names) is None:
            raise DamageError("the names of its images are gone")
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise error if isinstance(error, DamageError) else DamageError("it is no part") from None
    return Part(head, images, sums, left_out, names=names, **digests)


def _digests(pieces: OutcomeStore, name: str | None) -> bytes:
    found = b"" if name is None else pieces.get(name)
    if found is None:
        raise DamageError("the digests of its images are gone")
    return found
