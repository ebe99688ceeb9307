"""One network of a study with its images: what its records are called, and what is due."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset

from network_prune.errors import SourceError
from network_prune.evaluation.faster_copy.prepare import DTYPES, Speed
from network_prune.evaluation.reading import Reading
from network_prune.evaluation.runner import Runner
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import PruneSettings
from network_prune.pruning.forward import compute_logits
from network_prune.sources.data.pictures import Batch
from network_prune.sources.inputs import Inputs
from network_prune.study.identity import describe_inputs, describe_settings, describe_versions
from network_prune.study.plan import Network
from network_prune.study.records import SCHEMA, Record, record_key
from network_prune.study.score_data import ScoreImages, choose_score_data


def choose_inputs(network: Network, options: Mapping[str, Any]) -> Inputs:
    """Return which images a network of a study runs on, and how."""
    names = {field.name for field in fields(Inputs)} & set(options)
    return Inputs(weights=network.weights, **{name: options[name] for name in names})


class NetworkStudy:
    """One network of a study, with its images.

    Args:
        network: which one.
        variants: what is pruned.
        options: the plan's options.

    Attributes:
        network: as asked for.
        loaded: the network, on the device.
        data: the images, as pixels.
        base: what all its records hold.

    Raises:
        NetworkPruneError: network or images can't be loaded or don't fit.
    """

    def __init__(
        self, network: Network, variants: Sequence[PruneSettings], options: Mapping[str, Any]
    ) -> None:
        self.network = network
        self._inputs = choose_inputs(network, options)
        self._amp = (options["amp"], options["amp_dtype"])
        self._device = self._inputs.choose_device()
        self.loaded = self._inputs.load_network(network.arch)
        data = self._inputs.data_for([network.arch])
        pixels = self.loaded.preprocessing.pixel_transform()
        self.data = self._inputs.load_data(data, self.loaded, transform=pixels)
        self.loaded.model.to(self._device)
        self._scored = None
        learned = [settings.score for settings in variants if settings.learns]
        asked = {"spec": options["score_data"], "count": options["score_images"]}
        chosen = choose_score_data(learned, data, **asked) if learned else None
        if chosen is not None:
            self._scored = ScoreImages(chosen, self._inputs, self.loaded, self.data)
        self._speed = Speed(**{field.name: options[field.name] for field in fields(Speed)})
        self.base: Record = {
            **describe_inputs(self.loaded, self.data),
            "asked": {"weights": network.weights, "data": self._inputs.data_options},
            "running": {
                "batch_size": options["batch_size"],
                "amp": options["amp_dtype"] if options["amp"] else None,
                "device": self._device.type,
                **asdict(self._speed),
            },
            "versions": describe_versions(),
        }

    def key(self, settings: PruneSettings | None) -> str:
        """Return the key of a variant's record, the dense network's for None."""
        base = self.base
        deciding = {
            "schema": SCHEMA,
            "network": [base["network"]["name"], base["network"]["weights_sha256"]],
            "preprocessing": base["preprocessing"],
            "data": base["data"]["identity"],
            "running": base["running"],
            "versions": base["versions"],
            "variant": None if settings is None else describe_settings(settings),
        }
        scored = None if settings is None else self.score_data(settings)
        if scored is not None:
            deciding["score_data"] = [scored["identity"], scored["n"]]
        return record_key(deciding)

    def score_data(self, settings: PruneSettings) -> dict[str, Any] | None:
        """Return what a variant's score is computed on, as plain data; None without images."""
        return self._scored.describe() if settings.learns and self._scored else None

    def check_names(self, records: Iterable[Record]) -> None:
        """Refuse records of a network or images of the same name and other bytes.

        Raises:
            SourceError: there are such.
        """
        base = self.base
        for record in records:
            same_network = record["network"]["name"] == base["network"]["name"]
            same_weights = record["asked"]["weights"] == base["asked"]["weights"]
            sha256 = record["network"]["weights_sha256"]
            if same_network and same_weights and sha256 != base["network"]["weights_sha256"]:
                raise _changed(f"the weights of {self.network}")
            if record["asked"]["data"] != base["asked"]["data"]:
                continue
            mine = [base["data"], self._scored.describe() if self._scored else None]
            for old, new in zip([record["data"], record.get("score_data")], mine, strict=True):
                if old and new and _is_changed(old, new):
                    raise _changed(f"the images of {new['name']}")

    def switcher(self) -> Switcher:
        """Return what puts variants on the network."""
        batches = None if self._scored is None else self._scored.batches
        return Switcher(self.loaded.model, self._speed, batches)

    def reading(self, start: int, *, passes: int, progress: bool | None) -> Reading:
        """Return the images from ``start`` on, for so many passes."""
        rest = Subset(self.data.dataset, range(start, self.data.n))
        return Reading(
            replace(self.data, dataset=rest),
            label=str(self.network),
            passes=passes,
            progress=progress,
            may_be_empty=start > 0,
            pin_memory=self._device.type == "cuda",
            batch_size=self._inputs.batch_size,
            workers=self._inputs.workers,
            skip_unreadable=self._inputs.skip_unreadable,
        )

    def hold(self, chunk: Iterable[Batch]) -> list[Batch]:
        """Return batches whose pixels lie on the device, for all variants in turn."""
        return [batch.to(self._device) for batch in chunk]

    def computer(self, runner: Runner) -> Callable[[Batch], Tensor]:
        """Return what computes the logits of a batch that `hold` returned, by ``runner``."""
        normalise = self.loaded.preprocessing.normalise
        enabled, dtype = self._amp
        autocast = torch.autocast(self._device.type, DTYPES[dtype], enabled=enabled)

        def compute(batch: Batch) -> Tensor:
            # What a network prints isn't the study's output.
            with autocast, redirect_stdout(sys.stderr):
                return compute_logits(runner, normalise(batch.images), batch.labels)

        return compute


def _is_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return old["name"] == new["name"] and old["identity"] != new["identity"]


def _changed(what: str) -> SourceError:
    return SourceError(
        f"{what} aren't those of this study's records any more; pass another folder with --out, "
        "or bring the old ones back"
    )
