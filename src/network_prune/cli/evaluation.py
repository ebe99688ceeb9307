"""One network's evaluation, as ``network-prune eval`` does it."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from network_prune.cli.report import NetworkReport
from network_prune.core.scores import parse_score
from network_prune.evaluation.draws import DrawResult, evaluate_draws
from network_prune.evaluation.evaluate import EvaluateOptions, check_options
from network_prune.evaluation.variant import PruneSettings
from network_prune.sources.inputs import Inputs
from network_prune.study.score_data import ScoreData, ScoreImages


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What ``eval`` was asked to do with each network.

    Attributes:
        inputs: which weights, images and device.
        data: name of the labelled images.
        settings: the pruning options.
        indices: the draws.
        score_data: the images that the score is computed on, None if it needs none.
        amp: option of `evaluate`, as are the next five.
        amp_dtype: see there.
        channels_last: see there.
        fold: see there.
        compile: see there.
        dtype: see there.
        device: where the networks run.
    """

    inputs: Inputs
    data: str
    settings: PruneSettings
    indices: range
    score_data: ScoreData | None
    amp: bool
    amp_dtype: str
    channels_last: bool
    fold: bool
    compile: bool
    dtype: str | None
    device: torch.device

    def check(self) -> None:
        """Find out before any network is loaded what would be refused for each of them.

        Raises:
            NetworkPruneError: an option or the data fits no network.
        """
        parse_score(self.settings.score)
        check_options(amp=self.amp, amp_dtype=self.amp_dtype, dtype=self.dtype)
        self.inputs.check(self.data)
        if self.score_data is not None:
            self.inputs.check_score_data(self.score_data.spec, self.data)

    @property
    def running(self) -> EvaluateOptions:
        """The options of `evaluate`."""
        return {
            **self.inputs.reading,
            "amp": self.amp,
            "amp_dtype": self.amp_dtype,
            "channels_last": self.channels_last,
            "fold": self.fold,
            "compile": self.compile,
            "dtype": self.dtype,
        }


class Evaluation:
    """A network with its prunable set and its images, ready to be evaluated.

    Args:
        arch: the network, as ``--arch`` names it.
        task: what to do with it.

    Attributes:
        report: what is known of the network, and its results as they come.

    Raises:
        NetworkPruneError: the network, its weights or the data can't be loaded or don't fit.
    """

    def __init__(self, arch: str, task: Task) -> None:
        self._task = task
        self._network = task.inputs.load_network(arch)
        self._data = task.inputs.load_data(task.data, self._network)
        self._network.model.to(task.device)
        scored = None
        if task.score_data is not None:
            scored = ScoreImages(task.score_data, task.inputs, self._network, self._data)
        with contextlib.redirect_stdout(sys.stderr):
            batches = None if scored is None else scored.batches()
            self._prunable = task.settings.rank(self._network.model, batches)
        self.report = NetworkReport(
            network=self._network,
            data=self._data,
            score_data=None if scored is None else scored.describe(),
            settings=task.settings,
            prunable=self._prunable,
            running={**task.running, "device": str(task.device)},
        )

    def rows(self) -> Iterator[str]:
        """Evaluate each draw and yield its row of the table, at last that of their mean."""
        task = self._task
        results = evaluate_draws(
            self._network.model,
            self._prunable,
            self._data,
            p_bern=task.settings.p_bern,
            seed=task.settings.seed,
            indices=task.indices,
            with_norm=task.settings.with_norm,
            label=self._network.name,
            told=self.report.use,
            **task.running,
        )
        for result in _apart_from_prints(results):
            yield self.report.add(result)
        if len(task.indices) > 1:
            yield self.report.mean_row()


def _apart_from_prints(results: Iterator[DrawResult]) -> Iterator[DrawResult]:
    """Yield ``results``; what the network prints meanwhile goes to stderr."""
    while True:
        with contextlib.redirect_stdout(sys.stderr):
            result = next(results, None)
        if result is None:
            return
        yield result
