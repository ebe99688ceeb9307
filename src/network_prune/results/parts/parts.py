"""All parts in a study's folder, whichever shard wrote them."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from network_prune.errors import SourceError
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.form import Record
from network_prune.results.lines.line_file import bare, cannot_read, is_whole
from network_prune.results.lines.notices import Damaged, Notice
from network_prune.results.outcome_store import OutcomeStore, StoredOutcomes
from network_prune.results.parts.cut_file import Cut, Unit
from network_prune.results.parts.folder import LINES, PIECES, part_files, shards_folder
from network_prune.results.parts.part import Part
from network_prune.results.parts.part_lines import read_line, read_part
from network_prune.sources.digests import SIZE

_AGAIN: Final = "what it had is evaluated"
# Parts of the same images share their pieces.
_PIECES_HELD: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands.

    Attributes:
        path: the file.
        number: of the line, from 1.
        start: of the line in the file, in bytes.
        images: of the part.
    """

    path: Path
    number: int
    start: int
    images: range

    def __str__(self) -> str:
        return f"{self.path} line {self.number}"


class Parts:
    """The parts of all shards; each is read again when it is asked for.

    Args:
        study: the study's folder.
        cut: how the study is cut.

    Attributes:
        notices: what to know of lines that were left out.
        pieces: what belongs to the parts.

    Raises:
        SourceError: a file can't be read.
    """

    def __init__(self, study: Path, cut: Cut) -> None:
        self._cut = cut
        self._places: dict[str, list[Place]] = {}
        self._first: dict[str, tuple[Place, Record]] = {}
        self._done: dict[int, list[str]] = {}
        self._needed: dict[int, set[str]] = {}
        self.notices: list[Notice] = []
        files = list(part_files(study))
        names = [path.name.removesuffix(LINES) + PIECES for path in files]
        stores = [StoredOutcomes(shards_folder(study), name) for name in names]
        self.pieces = _Joined([*stores, StoredOutcomes(study)])
        for path in files:
            self._read(path)
        self._done = {n: keys for n, keys in self._done.items() if self._has_parts(n)}

    def has(self, key: str, images: range) -> bool:
        """Return whether a variant's part of just these images is there."""
        return any(place.images == images for place in self._places.get(key, ()))

    def is_done(self, number: int) -> bool:
        """Return whether the unit of some number is done."""
        return number in self._done

    def missing(self) -> list[Unit]:
        """Return the units that aren't done."""
        return [unit for number, unit in enumerate(self._cut.units) if not self.is_done(number)]

    def done_keys(self) -> list[str]:
        """Return the keys of what the units that are done have, in the plan's order."""
        units = sorted(self._done, key=lambda number: _order(self._cut.units[number]))
        return list(dict.fromkeys(key for number in units for key in self._done[number]))

    def heads(self) -> list[Record]:
        """Return what records of the parts will say beside figures, once for each network."""
        return [head for _, head in self._first.values()]

    def check_alike(self) -> None:
        """Refuse parts of one network that are of other weights, images or settings.

        Raises:
            SourceError: there are such; it names two of them.
        """
        seen: dict[tuple[str, str, str], tuple[Place, Any]] = {}
        for place, head in self._first.values():
            name, weights = head["network"]["name"], head["asked"]["weights"]
            for what, value in _inputs_of(head).items():
                before, known = seen.setdefault((name, weights, what), (place, value))
                if known != value:
                    raise SourceError(
                        f"{before} and {place} are of other {what} for {name}; delete one of the "
                        "files, whose shard is evaluated again"
                    )

    def whole(self, key: str) -> Part | None:
        """Return the part of all images of a variant, None as long as some are missing.

        Raises:
            SourceError: two parts disagree; it names both.
        """
        chain = self._chain(key)
        if not chain:
            return None
        parts = [self.part(place) for place in chain]
        found = sum(parts[1:], start=parts[0])
        own = {place.images: (part, place) for part, place in zip(parts, chain, strict=True)}
        for place in self._places[key]:
            if place not in chain:
                _check(place, self.part(place), *own.get(place.images, (found, chain[0])))
        return found

    def part(self, place: Place) -> Part:
        """Return the part that stands at a place.

        Raises:
            SourceError: it isn't there any more.
        """
        try:
            with place.path.open("rb") as file:
                file.seek(place.start)
                return read_part(read_line(bare(file.readline())), self.pieces)
        except OSError as error:
            raise cannot_read(place.path, error) from None
        except DamageError as damage:
            raise SourceError(f"{place} changed meanwhile: {damage}; run it again") from None

    def _has_parts(self, number: int) -> bool:
        """Return whether all parts of a unit are there, none of which was damaged since."""
        images = self._cut.units[number].images
        return all(self.has(key, images) for key in self._needed[number])

    def _chain(self, key: str) -> list[Place]:
        """Return places whose images follow on each other, from the first to the last of all."""
        longest = sorted(self._places.get(key, ()), key=lambda place: place.images.stop)
        by_start = {place.images.start: place for place in longest}
        chain: list[Place] = []
        at = 0
        while at < self._cut.images and at in by_start:
            chain.append(by_start[at])
            at = by_start[at].images.stop
        return chain if at == self._cut.images else []

    def _read(self, path: Path) -> None:
        start = 0
        try:
            with path.open("rb") as file:
                for number, line in enumerate(filter(is_whole, file), start=1):
                    self._take(bare(line), path, number, start)
                    start += len(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise cannot_read(path, error) from None

    def _take(self, line: bytes, path: Path, number: int, start: int) -> None:
        try:
            entry = read_line(line)
            if "done" in entry:
                self._take_done(entry)
                return
            part = read_part(entry, self.pieces)
            place = Place(path, number, start, part.images)
            self._places.setdefault(part.head["key"], []).append(place)
            network = part.head["network"]["name"]
            inputs = str([network, _inputs_of(part.head)])
            self._first.setdefault(inputs, (place, part.head))
        except (DamageError, KeyError, TypeError) as error:
            why = str(error) if isinstance(error, DamageError) else "it is no part"
            self.notices.append(Damaged(path, number, why, _AGAIN))

    def _take_done(self, entry: dict[str, Any]) -> None:
        number, keys, parts = entry["done"], list(entry["keys"]), set(entry["parts"])
        if entry["cut"] != self._cut.identity:
            return  # of shards that were begun anew
        if number not in range(len(self._cut.units)):
            raise DamageError("there is no such unit")
        self._done.setdefault(number, keys)
        self._needed.setdefault(number, set()).update(parts)


class _Joined(OutcomeStore):
    """The pieces of several stores."""

    def __init__(self, stores: list[StoredOutcomes]) -> None:
        super().__init__()
        self._stores = stores
        self._got = lru_cache(maxsize=_PIECES_HELD)(self._get)

    def get(self, name: str | None) -> bytes | None:
        return self._got(name)

    def _get(self, name: str | None) -> bytes | None:
        found = (store.get(name) for store in self._stores)
        return next((piece for piece in found if piece is not None), None)


def _inputs_of(head: Record) -> dict[str, Any]:
    """Return what decides a record's figures beside the variant, by what people call it."""
    learned = head["score_data"]
    return {
        "weights": head["network"]["weights_sha256"],
        "images": head["data"]["identity"],
        "preprocessing": head["preprocessing"],
        "settings": head["asked"]["running"],
        "versions": head["versions"],
        **({"images of scores": [learned["identity"], learned["n"]]} if learned else {}),
    }


def _order(unit: Unit) -> tuple[int, int, int]:
    return unit.network, unit.variants.start, unit.images.start


def _check(place: Place, part: Part, other: Part, at: Place) -> None:
    """Raise a SourceError if two parts of a variant disagree on images that both have.

    The other one is of the same images, or of all.
    """
    if part.images == other.images:
        is_same = replace(part, head=other.head) == other
    else:
        images = slice(part.images.start, part.images.stop)
        digests = other.digests[images.start * SIZE : images.stop * SIZE]
        is_same = _codes(part) == _codes(other)[images] and part.digests == digests
    if not is_same:
        raise SourceError(
            f"{at} and {place} have one key and disagree on the same images, e.g. as they are from "
            "different machines; delete one of the files, whose shard is evaluated again"
        )


def _codes(part: Part) -> bytes:
    """Return the outcomes of a part's images, those that were left out too."""
    left_out = [place - part.images.start for place in part.left_out]
    return part.sums.outcomes.leave_out(left_out).codes
