"""One network's pass over the images: its variants evaluated, and recorded when finished."""

from collections.abc import Sequence

import torch

from network_prune.pruning.forward import eval_mode
from network_prune.sources.images import Batch
from network_prune.study.describing import describe_settings
from network_prune.study.events import Advanced, Recorded, Started, Told
from network_prune.study.metrics import Metrics
from network_prune.study.network_study import NetworkStudy
from network_prune.study.partial import Partial, State
from network_prune.study.passes import Sums, chunks, evaluate_chunk
from network_prune.study.records import SCHEMA, Record, RecordFile
from network_prune.study.settings import PruneSettings
from network_prune.study.switch import Switcher


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
        dense = study.key(None)
        self._due = {dense: None, **due} if due else {}
        self._partial = Partial(file.path.parent, dense)

    def run(self, *, progress: bool | None) -> list[Record]:
        """Evaluate and record; return the records of the dense network and all variants.

        Args:
            progress: show a bar on stderr; None shows it on a terminal only.

        Raises:
            NetworkPruneError: the network can't be ranked or fails, an image can't be read, or
                a record can't be written.
        """
        self._told(Started(self._study.network, tuple(self._due.values()), self._study.data.n))
        if self._due:
            self._evaluate(progress)
            self._partial.remove()
        return [self._file.records[key] for key in self._wanted]

    def _evaluate(self, progress: bool | None) -> None:
        start = state = self._partial.read(list(self._due))
        with (
            eval_mode(self._study.loaded.model),
            torch.no_grad(),
            self._study.switcher() as switcher,
            self._study.reading(start.images, passes=len(self._due), progress=progress) as reading,
        ):
            for chunk in chunks(reading):
                images, unreadable = (
                    start.images + reading.read,
                    start.unreadable + reading.unreadable,
                )
                state = State(images, unreadable, state.sums)
                state = self._evaluate_chunk(chunk, state, switcher)
                if state.images < self._study.data.n:
                    self._partial.write(state)
            # The last images may all have been unreadable, and made no chunk.
            unreadable = start.unreadable + reading.unreadable
            for key in self._due:
                self._record(key, state.sums[key], unreadable, switcher)

    def _evaluate_chunk(self, chunk: Sequence[Batch], state: State, switcher: Switcher) -> State:
        """Return ``state``, which counts the images of ``chunk`` already, with their sums."""
        keys = list(self._due)
        sums = {key: state.sums.get(key, Sums()) for key in keys}
        computers = (self._study.computer(switcher.switch(s)) for s in self._due.values())
        for place, part in evaluate_chunk(self._study.hold(chunk), computers):
            key = keys[place]
            sums[key] += part
            self._told(Advanced(self._study.network, self._due[key], sums[key].metrics))
            if state.images == self._study.data.n and sums[key].metrics.n == state.readable:
                self._record(key, sums[key], state.unreadable, switcher)
        return State(state.images, state.unreadable, sums)

    def _record(self, key: str, sums: Sums, unreadable: int, switcher: Switcher) -> None:
        """Write a variant's record, unless it is there."""
        if key in self._file.records:
            return
        settings = self._due[key]
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
