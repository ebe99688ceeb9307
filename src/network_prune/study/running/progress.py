"""What a pass has summed up so far, on disk, so that a killed run goes on where it was."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from network_prune.evaluation.one_pass import Sums
from network_prune.results.lines.notices import Told
from network_prune.results.outcome_store import from_text, to_text
from network_prune.results.parts.plain_sums import from_plain, to_plain
from network_prune.study.running.state_file import StateFile


@dataclass(frozen=True, slots=True)
class State:
    """A pass up to some image.

    Attributes:
        images: how many images are done, a multiple of the batch size or all.
        left_out: which of them were left out, by position.
        sums: by record key, what each variant did with the others.
        next_images: how many images will be done after the chunk that is under way.
        ahead: as ``sums``, of the variants that are done with that chunk.
        digests: of the bytes that the images were read from, those of that chunk too.
        score_digests: of those that scores were learned from.
    """

    images: int = 0
    left_out: tuple[int, ...] = ()
    sums: Mapping[str, Sums] = field(default_factory=dict[str, Sums])
    next_images: int = 0
    ahead: Mapping[str, Sums] = field(default_factory=dict[str, Sums])
    digests: bytes = b""
    score_digests: bytes = b""

    def of(self, keys: Collection[str]) -> Self:
        """Return the state of these alone; that before the first image if one lacks images."""
        if self.images and not all(key in self.sums for key in keys):
            return type(self)(score_digests=self.score_digests)
        sums = {key: sums for key, sums in self.sums.items() if key in keys}
        ahead = {key: sums for key, sums in self.ahead.items() if key in keys}
        return replace(self, sums=sums, ahead=ahead)

    def before_chunk(self, images: int, digests: bytes) -> Self:
        """Return the state before the chunk after which so many images will be done."""
        ahead = self.ahead if self.next_images == images else {}
        return replace(self, next_images=images, ahead=ahead, digests=digests)

    def after_chunk(self, left_out: tuple[int, ...]) -> Self:
        """Return the state in which the chunk that was under way is done."""
        done = {"images": self.next_images, "next_images": 0, "sums": self.ahead, "ahead": {}}
        return replace(self, left_out=left_out, **done)


_DIGESTS: Final = ("digests", "score_digests")


class Progress:
    """The state of one network's pass, in a study's folder.

    Args:
        folder: the study's folder; without one, nothing is kept.
        key: hash of everything that decides figures, beside the variants.
    """

    def __init__(self, folder: Path | None, key: str) -> None:
        self._file = StateFile(folder, key)

    def read(self, told: Told) -> State:
        """Return the state, or that before the first image if there is none or it is damaged.

        Args:
            told: is given what to know of a damaged one.
        """
        return self._file.read(_state, told) or State()

    def write(self, state: State) -> None:
        """Replace the state, whole or not at all.

        Raises:
            RunError: it can't be written.
        """
        if self._file.is_kept:
            self._file.write(_plain(state))

    def write_at_times(self, state: State) -> None:
        """Do what `write` does, unless the last time was seconds ago."""
        if self._file.is_old:
            self.write(state)

    def remove(self) -> None:
        """Forget the state: all its variants are recorded."""
        self._file.remove()


def _state(values: dict[str, Any]) -> State:
    for name in ("sums", "ahead"):
        values[name] = {key: from_plain(entry) for key, entry in values[name].items()}
    values["left_out"] = tuple(values["left_out"])
    values |= {name: from_text(values[name]) for name in _DIGESTS}
    return State(**values)


def _plain(state: State) -> dict[str, Any]:
    by_key = {name: getattr(state, name) for name in ("sums", "ahead")}
    return {
        **asdict(replace(state, sums={}, ahead={})),
        **{name: {k: to_plain(v) for k, v in sums.items()} for name, sums in by_key.items()},
        **{name: to_text(getattr(state, name)) for name in _DIGESTS},
    }
