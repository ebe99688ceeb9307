"""Prunable sets by what they were ranked for: a few in memory, the others on disk."""

import tempfile
from collections import OrderedDict
from pathlib import Path

from network_prune.core.prunable import PrunableSet
from network_prune.evaluation.variant import PruneSettings

_HELD = 8


class SetStore:
    """Holds any number of prunable sets in the memory of a few.

    Those that weren't asked for lately lie in a temporary folder, which `close` removes.

    Args:
        held: how many are in memory at most.
    """

    def __init__(self, held: int = _HELD) -> None:
        self._room = held
        self._held: OrderedDict[PruneSettings, PrunableSet] = OrderedDict()
        self._saved: dict[PruneSettings, Path] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __contains__(self, ranking: PruneSettings) -> bool:
        return ranking in self._held or ranking in self._saved

    def __setitem__(self, ranking: PruneSettings, prunable: PrunableSet) -> None:
        self._held[ranking] = prunable
        self._make_room()

    def __getitem__(self, ranking: PruneSettings) -> PrunableSet:
        if ranking not in self._held:
            self._held[ranking] = PrunableSet.load(self._saved[ranking])
        self._held.move_to_end(ranking)
        found = self._held[ranking]
        self._make_room()
        return found

    def close(self) -> None:
        """Forget all sets."""
        self._held.clear()
        self._saved.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _make_room(self) -> None:
        while len(self._held) > self._room:
            ranking, prunable = self._held.popitem(last=False)
            if ranking not in self._saved:
                self._saved[ranking] = self._save(prunable)

    def _save(self, prunable: PrunableSet) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="network-prune-")
        path = Path(self._folder.name) / f"{len(self._saved)}.safetensors"
        prunable.save(path)
        return path
