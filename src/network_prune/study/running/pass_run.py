"""Variants of a network evaluated in one pass over some images, and kept when finished."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache

import torch

from network_prune.evaluation.metrics import Samples
from network_prune.evaluation.one_pass import HELD_BYTES_IF_SHARED, Chunk, Sums, chunks
from network_prune.evaluation.reading import Reading
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Variant
from network_prune.pruning.forward import eval_mode
from network_prune.results.images import BytesRead, bytes_read, check_bytes
from network_prune.results.parts.part import Part
from network_prune.results.records import SCHEMA, Record
from network_prune.sources.digests import SIZE
from network_prune.study.events import Advanced, Started, Told
from network_prune.study.ready_network import ReadyNetwork
from network_prune.study.running.due import Known, Variants, dense_samples, with_dense
from network_prune.study.running.progress import Progress, State


class PassRun(ABC):
    """Evaluates what isn't there yet; what becomes of a finished variant is for a subclass.

    Args:
        ready: the network and its images.
        known: the study's records, with what belongs to them.
        images: places of the images to evaluate.
        wanted: the variants by record key, the dense network first as None.
        told: is given what happens.
        progress: keeps what is under way.
    """

    def __init__(
        self,
        ready: ReadyNetwork,
        known: Known,
        images: range,
        wanted: Variants,
        told: Told,
        progress: Progress,
    ) -> None:
        self._ready = ready
        self._known = known
        self._images = images
        self._wanted = wanted
        self._measure = ready.measure
        self._told = told
        self._progress = progress
        self._dense: Samples | None = None
        self._names = cache(lambda: known.outcomes.put(ready.images().to_bytes()))

    @abstractmethod
    def _is_done(self, key: str) -> bool:
        """Return whether a variant needn't be evaluated."""

    def _is_needed(self, key: str) -> bool:
        """Return whether what a variant did with all the images is to be kept."""
        return not self._is_done(key)

    @abstractmethod
    def _keep(self, part: Part) -> None:
        """Keep what a variant did with all the images."""

    def run(self, *, progress: bool | None) -> None:
        """Evaluate, and keep what is found.

        Args:
            progress: show a bar on stderr; None shows it on a terminal and in a notebook only.

        Raises:
            NetworkPruneError: the network can't be ranked or fails, an image can't be read, or
                something can't be written.
        """
        ready = self._ready
        left = {key: v for key, v in self._wanted.items() if not self._is_done(key)}
        due = with_dense(left, self._wanted, ready, self._known)
        recorded = sum(key not in due for key in self._wanted)
        started = Started(
            ready.network, tuple(due.values()), recorded, len(self._images), ready.identity.base
        )
        if not due:
            self._told(started)
            self._forget_done()
            return
        with ready.switcher() as switcher, eval_mode(ready.loaded.model), torch.no_grad():
            for variant in filter(None, due.values()):
                switcher.prunable(variant)  # what can't be ranked is told before the long run
                ready.read_ahead(variant)
            self._told(started)
            self._run(due, switcher, progress)

    def _forget_done(self) -> None:
        """Forget a state of which all is done, as a run that ended at that moment leaves it."""
        state = self._progress.read(self._told)
        if all(map(self._is_done, {*state.sums, *state.ahead})):
            self._progress.remove()

    def _run(self, due: Variants, switcher: Switcher, progress: bool | None) -> None:
        """Finish what is under way before variants that the grid has got since."""
        state = self._same_score_bytes(self._progress.read(self._told))
        for is_begun in (True, False):
            self._dense = dense_samples(self._ready, self._known)
            dense = {k: v for k, v in due.items() if v is None and self._dense is None}
            part = {k: v for k, v in due.items() if v and (k in state.sums) is is_begun}
            is_left = not is_begun and not all(map(self._is_done, dense))
            if part or is_left:
                part = {**dense, **part}
                self._evaluate(part, state.of(part), switcher, progress)
                self._progress.remove()

    def _same_score_bytes(self, state: State) -> State:
        """Return ``state`` with digests of what scores were learned from, if these are as before.

        Raises:
            SourceError: some images were read from other bytes for a record or for ``state``.
        """
        images, found = self._ready.score_images, self._ready.score_digests
        if images is None or not found:
            return state
        kept, same = self._known, {"identity": images.data.identity, "n": images.count}
        before = bytes_read(kept.heads(), kept.outcomes, "score_data", **same)
        check_bytes(
            found,
            (BytesRead.of(state.score_digests), *before),
            what=images.data.name,
            n=images.count,
            name=images.name,
        )
        return replace(state, score_digests=found)

    def _evaluate(
        self, due: Variants, start: State, switcher: Switcher, progress: bool | None
    ) -> None:
        ready, state, first = self._ready, start, self._images.start
        before = self._read_before(start)
        passes = sum(self._measure.passes(variant) for variant in due.values())
        rest = self._images[start.images :]
        with ready.reading(rest, passes=passes, progress=progress) as reading:
            try:
                for read in _chunks(reading, is_shared=switcher.shares(due.values())):
                    images = start.images + reading.read
                    left_out = self._left_out(start, reading)
                    digests = self._same_bytes(start, reading, before)
                    chunk = ready.hold(read.batches)
                    places = range(first + state.images, first + images)
                    self._know_dense(chunk, places, left_out)
                    state = state.before_chunk(images, digests)
                    for key, sums in self._look(due, chunk, state, switcher, reading):
                        state = replace(state, ahead={**state.ahead, key: sums})
                        if images == len(self._images):
                            self._finish(key, sums, left_out, digests, switcher)
                        else:
                            self._progress.write_at_times(state)
                    state = state.after_chunk(left_out)
                    if images < len(self._images):
                        self._progress.write(state)
            except KeyboardInterrupt:
                self._progress.write(state)
                raise
            # The last images may all have been unreadable, and made no chunk.
            left_out = self._left_out(start, reading)
            digests = self._same_bytes(start, reading, before)
            for key in due:
                sums = state.sums.get(key, self._measure.nothing())
                self._finish(key, sums, left_out, digests, switcher)

    def _left_out(self, start: State, reading: Reading) -> tuple[int, ...]:
        """Return the places among all images of those that were left out so far."""
        first = self._images.start + start.images
        return (*start.left_out, *(first + position for position in reading.left_out))

    def _read_before(self, start: State) -> list[BytesRead]:
        """Return what the images were read from for records, and before a run was ended."""
        kept, same = self._known, {"images": self._ready.data.images}
        recorded = bytes_read(kept.heads(), kept.outcomes, "data", **same)
        begun = bytes(self._images.start * SIZE) + start.digests
        return [BytesRead.of(begun), *recorded]

    def _same_bytes(self, start: State, reading: Reading, before: Sequence[BytesRead]) -> bytes:
        """Return digests of the images so far; raises as `check_bytes` does."""
        data, found = self._ready.data, start.digests[: start.images * SIZE] + reading.digests
        first, recalibration = self._images.start, self._ready.recalibration

        def name(place: int) -> str:
            return self._ready.images().name(place)

        if recalibration is not None:  # which read some of them before
            whole = bytes(first * SIZE) + found
            before = [*before, BytesRead.of(recalibration.laid_over(whole))]
        check_bytes(found, before, what=data.name, n=data.n, name=name, first=first)
        return found

    def _know_dense(self, chunk: Chunk, images: range, left_out: Sequence[int]) -> None:
        """Tell a chunk what the dense network did with its images, where that is kept."""
        if self._dense is not None:
            read = set(left_out)
            chunk.know_dense(self._dense.at([n for n in images if n not in read]))

    def _look(
        self, due: Variants, chunk: Chunk, state: State, switcher: Switcher, reading: Reading
    ) -> Iterator[tuple[str, Sums]]:
        """Yield each variant's key, and its sums when it is done with the chunk."""
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

    def _finish(
        self, key: str, sums: Sums, left_out: Sequence[int], digests: bytes, switcher: Switcher
    ) -> None:
        if self._is_needed(key):
            self._keep(self._part(key, sums, left_out, digests, switcher))

    def _part(
        self, key: str, sums: Sums, left_out: Sequence[int], digests: bytes, switcher: Switcher
    ) -> Part:
        """Return what a variant did with the images, and what it is."""
        ready, variant = self._ready, self._wanted[key]
        head = {
            "schema": SCHEMA,
            "key": key,
            **ready.identity.base,
            "used": _describe_used(switcher, variant),
            "read": None,
            **ready.identity.of(variant),
            **_describe_pruning(variant, switcher),
        }
        return Part(
            head,
            self._images,
            sums,
            tuple(left_out),
            digests,
            ready.score_digests if variant is not None and variant.learns else b"",
            self._names() if ready.keeps_outcomes else None,
        )


def _chunks(reading: Reading, *, is_shared: bool) -> Iterator[Chunk]:
    return chunks(reading, HELD_BYTES_IF_SHARED) if is_shared else chunks(reading)


def _describe_used(switcher: Switcher, variant: Variant | None) -> Record:
    """Return how the network was computed, and what to know of it, if anything."""
    prepared, look = switcher.runner(variant).prepared, switcher.look
    folded = 0 if variant and variant.recalibrate else prepared.folded
    used = {"channels_last": prepared.channels_last, "folded_norms": folded}
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
