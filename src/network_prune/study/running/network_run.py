"""One network's run: its variants evaluated on all images, and recorded when finished."""

from functools import cache

from network_prune.results.parts.part import Part
from network_prune.results.records import Record
from network_prune.study.events import Recorded, Told
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import Kept, is_recorded, wanted_of
from network_prune.study.running.pass_run import PassRun
from network_prune.study.running.progress import Progress


class NetworkRun(PassRun):
    """Evaluates what isn't recorded yet of one network's variants.

    Args:
        ready: the network and its images.
        kept: the study's records, with what belongs to them.
        told: is given what happens.
    """

    def __init__(self, ready: ReadyNetwork, kept: Kept, told: Told) -> None:
        progress = Progress(kept.folder, ready.identity.key(None))
        images, wanted = range(ready.data.n), wanted_of(ready)
        super().__init__(ready, kept, images, wanted, told, progress)
        self._kept = kept
        self._put_once = cache(kept.outcomes.put)

    def records(self) -> list[Record]:
        """Return what is recorded of the dense network and the variants, in their order."""
        return [self._kept.records[key] for key in self._wanted if key in self._kept.records]

    def _is_done(self, key: str) -> bool:
        return is_recorded(self._ready, key, self._kept.records)

    def _lacks_outcomes(self, key: str) -> bool:
        """Return whether the dense network ran once more for want of what it did before."""
        if not self._ready.keeps_outcomes or self._wanted[key] is not None:
            return False
        pieces = self._kept.records[key].get("outcomes") or {}
        return self._kept.outcomes.get(pieces.get("sha256")) is None

    def _is_needed(self, key: str) -> bool:
        return not self._is_done(key) or self._lacks_outcomes(key)

    def _keep(self, part: Part) -> None:
        key, put = part.head["key"], self._kept.outcomes.put
        variant = self._wanted[key]
        for piece in part.read():
            self._put_once(piece)
        self._kept.append(part.record(part.figures(), put))
        self._told(Recorded(self._ready.network, variant, self._kept.records[key]))
