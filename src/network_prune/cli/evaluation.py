"""One network's evaluation, as ``network-prune eval`` does it."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from network_prune.cli.report import NetworkReport
from network_prune.cli.settings import PruneSettings, ScoreData
from network_prune.core.prunable import PrunableSet
from network_prune.core.scores import parse_score
from network_prune.errors import check_choice
from network_prune.sources.data import LoadedData, check_data, load_data, same_form
from network_prune.sources.networks import load_network
from network_prune.sources.preprocessing import INTERPOLATIONS
from network_prune.study.draws import DrawResult, EvaluateOptions, evaluate_draws
from network_prune.study.evaluate import check_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What ``eval`` was asked to do with each network.

    Attributes:
        settings: the pruning options.
        indices: the draws.
        weights: which weights.
        preprocessing: what to use instead of what the weights ask for.
        data: name of the labelled images.
        score_data: the images that the score is computed on, None if it needs none.
        data_options: options of `check_data` and `load_data`.
        first_label: option of `load_data`.
        skip_unreadable: option of `load_data` and `evaluate`.
        batch_size: option of `evaluate`, as are the next three.
        workers: see there.
        amp: see there.
        amp_dtype: see there.
        device: where the networks run.
        cache_dir: folder for downloads, None for the libraries' own.
    """

    settings: PruneSettings
    indices: range
    weights: str
    preprocessing: Mapping[str, Any]
    data: str
    score_data: ScoreData | None
    data_options: Mapping[str, Any]
    first_label: int | None
    skip_unreadable: bool
    batch_size: int
    workers: int | None
    amp: bool
    amp_dtype: str
    device: torch.device
    cache_dir: Path | None

    def check(self) -> None:
        """Find out before any network is loaded what would be refused for each of them.

        Raises:
            NetworkPruneError: an option or the data fits no network.
        """
        parse_score(self.settings.score)
        check_options(batch_size=self.batch_size, workers=self.workers, amp_dtype=self.amp_dtype)
        check_choice(
            "interpolation", self.preprocessing["interpolation"] or "bilinear", INTERPOLATIONS
        )
        check_data(self.data, skip_unreadable=self.skip_unreadable, **self.data_options)
        if self.score_data and not self.score_data.is_evaluated:
            check_data(
                self.score_data.spec, skip_unreadable=self.skip_unreadable, **self.score_options
            )

    @property
    def score_options(self) -> Mapping[str, Any]:
        """The options of `check_data` and `load_data` for the score's images.

        They are those of the evaluation data if both are of one form, except for its limit.
        """
        assert self.score_data is not None, "there is a score that needs images"
        if not same_form(self.score_data.spec, self.data):
            return {}
        return {**self.data_options, "limit": None}

    @property
    def running(self) -> EvaluateOptions:
        """The options of `evaluate`."""
        return {
            "batch_size": self.batch_size,
            "workers": self.workers,
            "amp": self.amp,
            "amp_dtype": self.amp_dtype,
            "skip_unreadable": self.skip_unreadable,
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
        self._network = load_network(
            arch,
            weights=task.weights,
            preprocessing=task.preprocessing,
            cache_dir=task.cache_dir,
        )
        self._data = self._load(task.data, task.first_label, task.data_options)
        self._network.model.to(task.device)
        scored = self._load_score_data()
        self._prunable = self._rank(scored)
        self.report = NetworkReport(
            network=self._network,
            data=self._data,
            score_data=self._describe(scored),
            settings=task.settings,
            prunable=self._prunable,
            running={**task.running, "device": str(task.device)},
        )

    def _load(self, spec: str, first_label: int | None, options: Mapping[str, Any]) -> LoadedData:
        return load_data(
            spec,
            transform=self._network.preprocessing.transform(),
            classes=self._network.classes,
            first_label=first_label,
            skip_unreadable=self._task.skip_unreadable,
            cache_dir=self._task.cache_dir,
            **options,
        )

    def _load_score_data(self) -> LoadedData | None:
        chosen = self._task.score_data
        if chosen is None or chosen.is_evaluated:
            return None if chosen is None else self._data
        first_label = self._task.first_label if same_form(chosen.spec, self._task.data) else None
        return self._load(chosen.spec, first_label, self._task.score_options)

    def _rank(self, scored: LoadedData | None) -> PrunableSet:
        task, batches = self._task, None
        if scored is not None and task.score_data is not None:
            batches = scored.batches(
                task.batch_size,
                limit=task.score_data.count,
                workers=task.workers,
                skip_unreadable=task.skip_unreadable,
            )
        with contextlib.redirect_stdout(sys.stderr):
            return task.settings.rank(self._network.model, batches)

    def _describe(self, scored: LoadedData | None) -> dict[str, Any] | None:
        """Return what the score was computed on, as plain data."""
        chosen = self._task.score_data
        if scored is None or chosen is None:
            return None
        return {
            "name": scored.name,
            "n": min(chosen.count, scored.n),
            "identity": scored.identity,
            "is_evaluation_data": chosen.is_evaluated,
        }

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
