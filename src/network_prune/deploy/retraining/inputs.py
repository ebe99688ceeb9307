"""The network that options name, and the images to train, choose and measure it on."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from network_prune.deploy.retraining.chance import SPLIT, order_of
from network_prune.errors import ArgumentError
from network_prune.extras import require
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.digits.names import DIGITS, NAMES, TRAINING_DIGITS
from network_prune.sources.inputs import Inputs
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.sources.preprocessing import Preprocessing, convert


@dataclass(frozen=True, slots=True)
class RetrainingInputs:
    """A network with its images.

    Attributes:
        network: the network, on the CPU.
        data: what it is trained on.
        validation: what the best epoch is chosen by.
        test: what the figures are of; None for those of ``validation``.
        augmented: whether training cuts and mirrors pictures at random.
    """

    network: LoadedNetwork
    data: LoadedData
    validation: LoadedData
    test: LoadedData | None
    augmented: bool


def load_inputs(options: Mapping[str, Any]) -> RetrainingInputs:
    """Return the network and the images that options of retraining name.

    Raises:
        ArgumentError: images that must not be the same are, or there are too few.
        NetworkPruneError: the network or images can't be loaded.
    """
    arch = options["arch"][0]
    spec, test = options["data"], options["test"]
    if spec is None and arch in NAMES:
        spec = TRAINING_DIGITS
    if spec == DIGITS:
        raise ArgumentError(
            f"data={DIGITS!r} are the pictures that embedded networks are measured on, which "
            f"training must not see; pass {TRAINING_DIGITS}"
        )
    test = DIGITS if test is None and spec == TRAINING_DIGITS else test
    inputs = Inputs({**options, "data": spec, "only_data_classes": False}, [arch])
    others = [each for each in (options["validation"], test) if each is not None]
    inputs.check(*others)
    network = inputs.load_network(arch, options["weights"])
    augmented = options["augment"] == "crop" or (options["augment"] == "auto" and arch not in NAMES)
    plain = network.preprocessing.transform()

    def load(name: str, transform: Any = plain) -> LoadedData:
        return inputs.load_data(name, network, transform)

    data = load(inputs.data, Augmented(network.preprocessing) if augmented else plain)
    if options["validation"] is not None:
        validation = load(options["validation"])
    else:
        data, validation = _split(data, load(inputs.data), options["val_split"], options["seed"])
    tested = None if test is None else load(test)
    _refuse_same(load(inputs.data), options["validation"] and validation, tested)
    return RetrainingInputs(network, data, validation, tested, augmented)


class Augmented:
    """PIL image to float32 tensor [C, crop, crop]: a random part of it, mirrored at random.

    As torchvision's RandomResizedCrop and RandomHorizontalFlip with their usual settings.

    Args:
        preprocessing: of the network.

    Raises:
        SourceError: torchvision isn't installed.
    """

    def __init__(self, preprocessing: Preprocessing) -> None:
        require("torchvision", what="cutting pictures at random")
        self._preprocessing = preprocessing

    def __call__(self, image: Image.Image) -> Tensor:
        """Return the network's input for ``image``.

        Raises:
            SourceError: the picture holds values other than 8 bits a channel.
        """
        # torchvision takes seconds to import.
        from torchvision.transforms import RandomResizedCrop

        wanted = self._preprocessing
        image = convert(image, "L" if wanted.channels == 1 else "RGB")
        part = RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])  # pyright: ignore[reportArgumentType]
        top, left, height, width = part
        image = image.resize(
            (wanted.crop, wanted.crop),
            Image.Resampling[wanted.interpolation.upper()],
            box=(left, top, left + width, top + height),
        )
        if bool(torch.rand(()) < 0.5):
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = np.array(image).reshape(wanted.crop, wanted.crop, -1)
        return wanted.normalise(torch.from_numpy(pixels).permute(2, 0, 1))


def _split(
    data: LoadedData, unchanged: LoadedData, share: float, seed: int
) -> tuple[LoadedData, LoadedData]:
    """Return images without a random share of them, and that share, not augmented."""
    held = int(share * data.n)
    if not 0 < held < data.n:
        raise ArgumentError(
            f"val_split={share:g} of {data.n} images keeps {held} for validation; pass another "
            "share, or --validation"
        )
    order = order_of(data.n, seed, SPLIT).numpy()

    def part(whole: LoadedData, places: np.ndarray, name: str) -> LoadedData:
        return replace(
            whole,
            dataset=whole.pictures.at(np.sort(places)),
            n=len(places),
            identity=f"{name} {held} of {whole.identity}",
        )

    return part(data, order[held:], "without"), part(unchanged, order[:held], "validation")


def _refuse_same(data: LoadedData, *others: LoadedData | None) -> None:
    for other in others:
        if other is not None and other.images == data.images:
            raise ArgumentError(
                f"{other.name} are the images that are trained on, which says nothing of others; "
                "pass other images with --validation or --test, or leave it out"
            )
