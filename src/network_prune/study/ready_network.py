"""One network of a study, loaded with its images and ready to run."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import torch

from network_prune.evaluation.device import choose_device
from network_prune.evaluation.one_pass import Chunk
from network_prune.evaluation.reading import Reading
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Network, Variant
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.recalibration.estimate import find_norms
from network_prune.results.images import Images
from network_prune.sources.digits.names import NAMES
from network_prune.sources.inputs import Inputs
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.study.identity import (
    Identity,
    describe_inputs,
    describe_running,
    describe_versions,
)
from network_prune.study.measure import Measure
from network_prune.study.plan import check_count
from network_prune.study.recalibration_images import RecalibrationImages
from network_prune.study.score_images import ScoreImages

_LOOKED_AT: Final = 8


class ReadyNetwork:
    """A network on its device, with its images.

    Args:
        network: which one.
        variants: what is pruned.
        options: the plan's options.
        inputs: loads it and its images.
        measure: what is found out of each variant; None for loss and accuracy.
        loaded: the network, where it is loaded already.
        device: that it runs on, where another process is the one to run it; None takes that of
            the options.

    Attributes:
        network: as asked for.
        variants: what is pruned; of scope ``alone`` a variant for each layer.
        measure: what is found out of each.
        has_dense: whether the dense network is evaluated too.
        loaded: the network, on the device as soon as variants are put on it.
        data: the images, as pixels.
        identity: what decides its figures.
        keeps_outcomes: whether what becomes of each image is kept.
        recalibration: what BatchNorms are recalibrated on; None if they aren't.
        score_images: what learned scores are computed on; None without any.

    Raises:
        NetworkPruneError: network or images can't be loaded or don't fit.
    """

    def __init__(
        self,
        network: Network,
        variants: Sequence[Variant],
        options: Mapping[str, Any],
        inputs: Inputs,
        *,
        measure: Measure | None = None,
        loaded: LoadedNetwork | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.network = network
        self.measure = measure or Measure()
        self._options = options
        self._device = device or choose_device(options["device"])
        self.loaded = loaded or inputs.load_network(network.arch, network.weights)
        preprocessing = self.loaded.preprocessing
        pixels = preprocessing.pixel_transform()
        self.data = inputs.load_data(inputs.data, self.loaded, pixels)
        self.variants = tuple(self._spelt_out(variants))
        self.has_dense: bool = options["dense"] or not self.variants
        self.keeps_outcomes: bool = options["outcomes"]
        self.recalibration: RecalibrationImages | None = None
        if any(variant.recalibrate for variant in self.variants):
            find_norms(self.loaded.model)
            self.recalibration = RecalibrationImages(self.data, preprocessing, options)
        self.score_images: ScoreImages | None = None
        if any(variant.learns for variant in self.variants):
            spec = options["score_data"] or inputs.data
            images = inputs.load_data(spec, self.loaded, pixels)
            is_evaluated = spec == inputs.data
            self.score_images = ScoreImages(images, preprocessing, options, is_evaluated)
        self.identity = Identity(
            {
                **describe_inputs(self.loaded, self.data),
                "asked": {
                    "weights": network.weights,
                    "data": inputs.data_options,
                    "preprocessing": inputs.preprocessing,
                    "running": {
                        **describe_running(options, self._device),
                        **self.measure.settings,
                    },
                },
                "versions": describe_versions(),
                "notes": list(dict.fromkeys(self._notes())),
            },
            self.score_images and self.score_images.describe(),
        )

    def _spelt_out(self, variants: Iterable[Variant]) -> Iterator[Variant]:
        count = 0
        for each in variants:
            if each.recalibrate:
                each = each.at(recalibrate=min(each.recalibrate, self.data.n))
            spelt_out = each.spelt_out(self.loaded.model)
            count += len(spelt_out)
            check_count(count)
            yield from spelt_out

    @property
    def score_digests(self) -> bytes:
        """Of the images that scores were learned from; empty if none was."""
        return bytes(self.score_images.digests) if self.score_images else b""

    def images(self) -> Images:
        """Return names and classes of the images."""
        names = self.loaded.outputs.names
        labels = self.data.labels.tolist()
        classes = {label: names[label] for label in set(labels) if label < len(names)}
        return Images(labels, self.data.names, classes)

    def _notes(self) -> Iterator[str]:
        yield from self.loaded.notes
        yield from self.data.notes
        if self.score_images is not None:
            yield from self.score_images.data.notes
        yield from self._enlarged()

    def _enlarged(self) -> list[str]:
        """Return a note if the network sees nothing but enlarged pictures."""
        crop = self.loaded.preprocessing.crop
        sides = [min(size) for size in self.data.sizes(_LOOKED_AT)]
        if not sides or max(sides) >= crop or self.loaded.arch in NAMES:
            return []
        return [
            f"all pictures looked at are smaller than the crop of {crop} ({max(sides)} pixels at "
            "most) and are enlarged; pass --resize and --crop if the network takes them as they are"
        ]

    def switcher(self) -> Switcher:
        """Return what puts variants on the network."""
        return Switcher(
            self.loaded.model.to(self._device),
            Speed.of(self._options),
            normalise=self.loaded.preprocessing.normalise,
            score_batches=self.score_images and self.score_images.batches,
            recalibration=self.recalibration and self.recalibration.batches,
            outputs=self.data.outputs,
        )

    def read_ahead(self, variant: Variant) -> None:
        """Read what BatchNorms are recalibrated on under a variant, if they are.

        Raises:
            SourceError: an image can't be read.
        """
        if self.recalibration is not None and variant.recalibrate is not None:
            self.recalibration.read(variant.recalibrate)

    def reading(self, images: range, *, passes: int, progress: bool | None) -> Reading:
        """Return the images at some places, for so many passes."""
        return Reading(
            replace(self.data, dataset=self.data.pictures.at(images)),
            label=str(self.network),
            passes=passes,
            progress=progress,
            may_be_empty=images != range(self.data.n),
            pin_memory=self._device.type == "cuda",
            **{name: self._options[name] for name in ("batch_size", "workers", "skip_unreadable")},
        )

    def hold(self, batches: Iterable[Any]) -> Chunk:
        """Return batches with their pixels on the device, for all variants in turn."""
        return Chunk([batch.to(self._device) for batch in batches])
