"""One network's run: its variants evaluated in one pass, and recorded when finished."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.one_pass import Chunk, Sums, chunks
from network_prune.evaluation.reading import Reading
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Variant
from network_prune.pruning.forward import eval_mode
from network_prune.results.records import SCHEMA, HeldRecords, Record, RecordFile
from network_prune.study.due import Variants, due_of, is_recorded, wanted_of
from network_prune.study.events import Advanced, Recorded, Started, Told
from network_prune.study.measure import Measure
from network_prune.study.progress import Progress, State
from network_prune.study.ready_network import ReadyNetwork


class NetworkRun:
    """Evaluates what isn't recorded yet of one network's variants.

    Args:
        ready: the network and its images.
        kept: the study's records.
        measure: what is found out of each variant.
        told: is given what happens.
    """

    def __init__(
        self, ready: ReadyNetwork, kept: RecordFile | HeldRecords, measure: Measure, told: Told
    ) -> None:
        self._ready = ready
        self._kept = kept
        self._measure = measure
        self._told = told
        self._wanted = wanted_of(ready)
        self._progress = Progress(kept.folder, ready.identity.key(None))

    def run(self, *, progress: bool | None) -> None:
        """Evaluate and record.

        Args:
            progress: show a bar on stderr; None shows it on a terminal only.

        Raises:
            NetworkPruneError: the network can't be ranked or fails, an image can't be read, or
                a record can't be written.
        """
        ready = self._ready
        due = due_of(ready, self._kept.records)
        recorded = sum(key not in due for key in self._wanted)
        started = Started(
            ready.network, tuple(due.values()), recorded, ready.data.n, ready.identity.base
        )
        if not due:
            self._told(started)
            return
        with ready.switcher() as switcher, eval_mode(ready.loaded.model), torch.no_grad():
            for variant in filter(None, due.values()):
                switcher.prunable(variant)  # what can't be ranked is told before the long run
            self._told(started)
            self._run(due, switcher, progress)

    def _run(self, due: Variants, switcher: Switcher, progress: bool | None) -> None:
        """Finish what is under way before variants that the grid has got since."""
        state = self._progress.read()
        dense = {key: v for key, v in due.items() if v is None}
        for is_begun in (True, False):
            part = {k: v for k, v in due.items() if v and (k in state.sums) is is_begun}
            is_left = not is_begun and not all(map(self._is_recorded, dense))
            if part or is_left:
                part = {**dense, **part}
                self._evaluate(part, state.of(part), switcher, progress)
                self._progress.remove()

    def records(self) -> list[Record]:
        """Return what is recorded of the dense network and the variants, in their order."""
        return [self._kept.records[key] for key in self._wanted if key in self._kept.records]

    def _is_recorded(self, key: str) -> bool:
        return is_recorded(self._ready, key, self._kept.records)

    def _evaluate(
        self, due: Variants, start: State, switcher: Switcher, progress: bool | None
    ) -> None:
        ready, state = self._ready, start
        passes = sum(self._measure.passes(variant) for variant in due.values())
        with ready.reading(start.images, passes=passes, progress=progress) as reading:
            try:
                for chunk in chunks(reading):
                    images = start.images + reading.read
                    unreadable = start.unreadable + reading.unreadable
                    state = state.before_chunk(images)
                    for key, sums in self._look(due, chunk, state, switcher, reading):
                        state = replace(state, ahead={**state.ahead, key: sums})
                        if images == ready.data.n:
                            self._record(key, sums, unreadable, switcher)
                        else:
                            self._progress.write_at_times(state)
                    state = State(images, unreadable, state.ahead)
                    if images < ready.data.n:
                        self._progress.write(state)
            except KeyboardInterrupt:
                self._progress.write(state)
                raise
            # The last images may all have been unreadable, and made no chunk.
            unreadable = start.unreadable + reading.unreadable
            for key in due:
                self._record(key, state.sums[key], unreadable, switcher)

    def _look(
        self, due: Variants, read: Chunk, state: State, switcher: Switcher, reading: Reading
    ) -> Iterator[tuple[str, Sums]]:
        """Yield each variant's key, and its sums when it is done with the chunk."""
        chunk = self._ready.hold(read.batches)
        switcher.look_first(chunk.batches[0])
        for key, variant in due.items():
            passes = self._measure.passes(variant)
            sums = state.sums.get(key, self._measure.nothing())
            if variant is not None and key in state.ahead:
                sums = state.ahead[key]
                reading.advance(len(chunk) * passes)
                self._told(Advanced(self._ready.network, variant, sums.metrics))
            else:
                for part in self._measure.look(chunk, variant, switcher):
                    sums += part
                    reading.advance(part.metrics.n * passes)
                    self._told(Advanced(self._ready.network, variant, sums.metrics))
            yield key, sums

    def _record(self, key: str, sums: Sums, unreadable: int, switcher: Switcher) -> None:
        """Keep a variant's record, unless it is there."""
        if self._is_recorded(key):
            return
        variant = self._wanted[key]
        whole = replace(sums, metrics=sums.metrics + Metrics(unreadable=unreadable))
        self._kept.append(
            {
                "schema": SCHEMA,
                "key": key,
                **self._ready.identity.base,
                "used": _describe_used(switcher, variant),
                **self._ready.identity.of(variant),
                **_describe_pruning(variant, switcher),
                **self._measure.describe(variant, whole),
            }
        )
        self._told(Recorded(self._ready.network, variant, self._kept.records[key]))


def _describe_used(switcher: Switcher, variant: Variant | None) -> Record:
    """Return how the network was computed, and what to know of it, if anything."""
    prepared, look = switcher.dense.prepared, switcher.look
    used = {"channels_last": prepared.channels_last, "folded_norms": prepared.folded}
    layers = switcher.prunable(variant).layers if variant else ()
    lines = look.warnings([layer.name for layer in layers]) if look else []
    return {**used, "warnings": lines} if lines else used


def _describe_pruning(variant: Variant | None, switcher: Switcher) -> Record:
    if variant is None:
        names = ("score", "prunable_sha256", "draw_sha256", "realised")
        return dict.fromkeys(names)
    prunable = switcher.prunable(variant)
    return {
        "score": prunable.score,
        "prunable_sha256": prunable.sha256,
        "draw_sha256": switcher.draw(variant).sha256,
        "realised": switcher.summary(variant).to_dict(),
    }
