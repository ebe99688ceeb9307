"""The files that one host writes for a shard: parts, and the pieces that belong to them."""

import platform
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import filelock

from network_prune.errors import RunError
from network_prune.results.lines.line_file import LineFile, cannot_write
from network_prune.results.outcome_store import OutcomeStore, StoredOutcomes, WrittenOutcomes
from network_prune.results.parts.folder import LINES, PIECES, name_of, shards_folder
from network_prune.results.parts.part import Part
from network_prune.results.parts.part_lines import done_line, part_line


class PartFile:
    """Opened for appending by one process; leaving it closes the files.

    No two hosts share a file, so that nothing depends on locks between them.

    Args:
        study: the study's folder.
        shard: which, ``I/N``, or what else evaluates units of any shard.

    Attributes:
        pieces: what belongs to the parts; those of the study's records aren't written again.

    Raises:
        RunError: another process of this host runs the shard, or nothing can be written.
    """

    def __init__(self, study: Path, shard: str) -> None:
        folder, name = shards_folder(study), name_of(shard, platform.node())
        lock = filelock.FileLock(folder / f"{name}.lock")
        with ExitStack() as held:
            try:
                lock.acquire(timeout=0)
            except filelock.Timeout:
                raise RunError(_already(shard, study)) from None
            except OSError as error:
                raise cannot_write(folder, error) from None
            held.callback(lock.release)
            self._file = LineFile(folder / f"{name}{LINES}")
            held.callback(self._file.close)
            self.pieces = _Pieces(folder, f"{name}{PIECES}", StoredOutcomes(study))
            held.callback(self.pieces.close)
            self._held = held.pop_all()

    def append(self, part: Part) -> None:
        """Write a part, and flush it to the disk.

        Raises:
            RunError: it can't be written.
        """
        self._file.append(part_line(part, self.pieces))

    def append_done(
        self, cut: str, unit: int, keys: Collection[str], parts: Collection[str]
    ) -> None:
        """Write what `done_line` returns; raises as `append` does."""
        self._file.append(done_line(cut, unit, keys, parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()


def _already(shard: str, study: Path) -> str:
    if "/" not in shard:
        return f"another process runs --engine {shard} in {study}; wait for it"
    return f"another process runs shard {shard} in {study}; wait for it, or pass another --shard"


class _Pieces(WrittenOutcomes):
    def __init__(self, folder: Path, file: str, recorded: OutcomeStore) -> None:
        super().__init__(folder, file)
        self._recorded = recorded

    def get(self, name: str | None) -> bytes | None:
        return super().get(name) or self._recorded.get(name)
