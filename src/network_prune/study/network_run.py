"""One network's pass over the images: its variants evaluated, and recorded when finished."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from network_prune.evaluation.memory import running
from network_prune.evaluation.metrics import Metrics
from network_prune.evaluation.one_pass import Chunk, Sums, chunks
from network_prune.evaluation.reading import Reading
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import PruneSettings
from network_prune.sources.data.pictures import Batch
from network_prune.study.events import Advanced, Recorded, Started, Told
from network_prune.study.identity import describe_settings
from network_prune.study.network_study import NetworkStudy
from network_prune.study.progress import Partial, State
from network_prune.study.records import SCHEMA, Record, RecordFile

Due = Mapping[str, PruneSettings | None]


class NetworkPass:
    """Evaluates what isn't recorded yet of one network's variants.

    Args:
        study: the network and its images.
        variants: what is pruned.
        file: the study's records.
        told: is given what happens.
    """

    def __init__(
        self, study: NetworkStudy, variants: Sequence[PruneSettings], file: RecordFile, told: Told
    ) -> None:
        self._study = study
        self._file = file
        self._told = told
        self._wanted = {study.key(settings): settings for settings in (None, *variants)}
        due = {key: s for key, s in self._wanted.items() if key not in file.records}
        # The dense network runs along: all differences are to it, on the same images.
        self._dense = study.key(None)
        self._due = {self._dense: None, **due} if due else {}
        self._partial = Partial(file.path.parent, self._dense)

    def run(self, *, progress: bool | None) -> None:
        """Evaluate and record.

        Args:
            progress: show a bar on stderr; None shows it on a terminal only.

        Raises:
            NetworkPruneError: the network can't be ranked or fails, an image can't be read, or
                a record can't be written.
        """
        self._told(Started(self._study.network, tuple(self._due.values()), self._study.data.n))
        state = self._partial.read()
        # What is under way is finished before variants that the grid has got since.
        for is_begun in (True, False):
            due = {k: s for k, s in self._due.items() if s and (k in state.sums) is is_begun}
            if due or (not is_begun and self._dense not in self._file.records):
                due = {self._dense: None, **due}
                self._evaluate(due, state.of(due), progress)
                self._partial.remove()

    def records(self) -> list[Record]:
        """Return what is recorded of the dense network and the variants, in their order."""
        return [self._file.records[key] for key in self._wanted if key in self._file.records]

    def _evaluate(self, due: Due, start: State, progress: bool | None) -> None:
        state = start
        with (
            running(self._study.loaded.model),
            self._study.switcher() as switcher,
            self._study.reading(start.images, passes=len(due), progress=progress) as reading,
        ):
            for settings in due.values():
                if settings is not None:
                    switcher.prunable(settings)  # what can't be ranked is told before the long run
            try:
                for batches in chunks(reading):
                    images = start.images + reading.read
                    unreadable = start.unreadable + reading.unreadable
                    state = state.before_chunk(images)
                    for key, sums in self._evaluate_chunk(due, batches, state, switcher, reading):
                        state = replace(state, ahead={**state.ahead, key: sums})
                        if images == self._study.data.n:
                            self._record(key, sums, unreadable, switcher)
                        else:
                            self._partial.write_at_times(state)
                    state = State(images, unreadable, state.ahead)
                    if images < self._study.data.n:
                        self._partial.write(state)
            except KeyboardInterrupt:
                self._partial.write(state)
                raise
            # The last images may all have been unreadable, and made no chunk.
            for key in due:
                unreadable = start.unreadable + reading.unreadable
                self._record(key, state.sums[key], unreadable, switcher)

    def _evaluate_chunk(
        self, due: Due, batches: Sequence[Batch], state: State, switcher: Switcher, reading: Reading
    ) -> Iterator[tuple[str, Sums]]:
        """Yield each variant's key, and its sums when it is done with the chunk."""
        chunk = Chunk(self._study.hold(batches))
        for key, settings in due.items():
            sums = state.sums.get(key, Sums())
            if settings is not None and key in state.ahead:
                sums = state.ahead[key]
                reading.advance(sum(map(len, batches)))
                self._told(Advanced(self._study.network, settings, sums.metrics))
            else:
                for part in chunk.evaluate(self._study.computer(switcher.switch(settings))):
                    sums += part
                    reading.advance(part.metrics.n)
                    self._told(Advanced(self._study.network, settings, sums.metrics))
            yield key, sums

    def _record(self, key: str, sums: Sums, unreadable: int, switcher: Switcher) -> None:
        """Write a variant's record, unless it is there."""
        if key in self._file.records:
            return
        settings = self._wanted[key]
        prepared = switcher.dense.prepared
        metrics = (sums.metrics + Metrics(unreadable=unreadable)).to_dict()
        metrics.pop("seconds")
        record: Record = {
            "schema": SCHEMA,
            "key": key,
            **self._study.base,
            "used": {"channels_last": prepared.channels_last, "folded_norms": prepared.folded},
            "variant": None,
            "metrics": metrics,
        }
        if settings is not None:
            record |= self._describe(settings, switcher) | {"difference": sums.paired.to_dict()}
        self._file.append(record)
        self._told(Recorded(self._study.network, settings, self._file.records[key]))

    def _describe(self, settings: PruneSettings, switcher: Switcher) -> Record:
        prunable = switcher.prunable(settings)
        return {
            "variant": describe_settings(settings),
            "score": prunable.score,
            "score_data": self._study.score_data(settings),
            "prunable_sha256": prunable.sha256,
            "draw_sha256": switcher.draw(settings).sha256,
            "pruning": switcher.summary(settings).to_dict(),
        }
