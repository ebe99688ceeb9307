"""Networks and images of a transfer run, loaded, checked, and looked at when clean."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from network_prune.errors import ArgumentError, UnsupportedNetworkError
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.variant import Network
from network_prune.options import OPTIONS, defaults
from network_prune.results.images import Images
from network_prune.sources.inputs import Inputs
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.transfer.augmentations.surrogates import make_surrogate
from network_prune.transfer.figures.rates import Rate, rate
from network_prune.transfer.plan import OWN, Row, TransferPlan, ensemble_name, network_name
from network_prune.transfer.running.images import AttackedImages
from network_prune.transfer.running.networks import Networks, load_networks
from network_prune.transfer.running.peer_run import check_peer


class Ready:
    """What all rows of a run share.

    Args:
        plan: the run.
        size: the images' side in pixels; None for what the plan says.
        loaded: the networks, where they are loaded already.

    Attributes:
        inputs: how networks and images are loaded.
        device: where everything is computed.
        device_type: the kind of device that rows are computed on, by any process.
        networks: all of them.
        images: all of them.
        batch_size: images a batch.

    Raises:
        NetworkPruneError: networks or images can't be loaded or don't fit.
    """

    def __init__(
        self,
        plan: TransferPlan,
        size: int | None = None,
        *,
        loaded: Mapping[Network, LoadedNetwork] | None = None,
    ) -> None:
        options: dict[str, Any] = {**defaults(OPTIONS), **plan.options}
        self.batch_size: int = options["batch_size"]
        self.device = choose_device(options["device"])
        self.device_type = self.device.type
        if not plan.is_targeted and options["target_column"] is None:
            del options["target_column"]  # so that nobody looks for targets
        self.inputs = Inputs(options, [network.arch for network in plan.networks])
        self.inputs.check()
        if loaded is None:
            loaded = load_networks(plan.networks, self.inputs)
        self.networks = Networks(loaded, self.device)
        self.images = AttackedImages(
            self.networks,
            self.inputs,
            size=options["image_size"] if size is None else size,
            target_seed=options["target_seed"],
        )
        if plan.is_targeted and self.networks.classes < 2:
            raise ArgumentError(
                "networks of 1 class leave no target other than the truth; pass goal='untargeted' "
                "(--goal untargeted)"
            )
        self.notes = tuple(dict.fromkeys(self._notes(plan)))

    @cached_property
    def clean(self) -> Mapping[Network, np.ndarray]:
        """What each network takes each clean image for, int64 ``[n]``; reads all of them."""
        found: dict[Network, list[np.ndarray]] = {network: [] for network in self.networks.loaded}
        for part in self.images.batches(self.batch_size):
            for network, predicted in self.look(part).items():
                found[network].append(predicted)
        return {network: np.concatenate(parts) for network, parts in found.items()}

    def look(self, part: range) -> Mapping[Network, np.ndarray]:
        """Return what each network takes some clean images for, int64 ``[n]``; reads them."""
        pixels = self.shares(self.images.pixels(part))
        return {network: self.networks.predict(network, pixels) for network in self.networks.loaded}

    @property
    def accuracies(self) -> Mapping[str, Rate]:
        """Acc@1 of each network on the clean images, by its name."""
        labels = self.images.labels
        return {
            network_name(network): rate((classes == labels)[None])
            for network, classes in self.clean.items()
        }

    def check(self, rows: tuple[Row, ...]) -> None:
        """Find out before any attack what would be refused in the midst of it.

        Raises:
            NetworkPruneError: an image can't be read, a surrogate has no gradient, or nothing
                can be ranked in it as an augmentation wants.
        """
        first = self.shares(self.images.pixels(range(1)))
        for network in dict.fromkeys(n for row in rows for n in (*row.surrogates, *row.beside)):
            self.networks.check_gradient(network, first)
        seen: set[tuple[object, ...]] = set()
        for row in rows:
            what = (row.surrogates, row.beside, str(row.augmentation))
            if what not in seen:
                seen.add(what)
                self._check_source(row)
                if row.by != OWN:
                    check_peer(row, self.networks.classes)
        _ = self.clean

    def _check_source(self, row: Row) -> None:
        try:
            self.source(row)
        except UnsupportedNetworkError as error:
            raise UnsupportedNetworkError(
                f"{row.name} can't be made of {ensemble_name(row.surrogates)}: {error}; leave "
                f"{row.augmentation.name} out, or say its layers: {row.augmentation.name}:layers=…"
            ) from None

    def source(self, row: Row) -> Any:
        """Return what gives a row's attack its gradients."""
        networks = self.networks.pixels((*row.surrogates, *row.beside))
        return make_surrogate(row.augmentation, networks, seed=row.seed)

    def shares(self, pixels: Tensor) -> Tensor:
        """Return pixels uint8 as shares of their range, float32, on the device."""
        return pixels.to(self.device).float() / 255

    def pictures(self) -> bytes:
        """Return names and classes of the images."""
        loaded = next(iter(self.networks.loaded.values()))
        names, labels = loaded.outputs.names, self.images.labels.tolist()
        classes = {label: names[label] for label in set(labels) if label < len(names)}
        return Images(labels, self.images.data.names, classes).to_bytes()

    def _notes(self, plan: TransferPlan) -> Iterator[str]:
        yield from plan.notes
        for loaded in self.networks.loaded.values():
            yield from loaded.notes
        yield from self.images.data.notes
