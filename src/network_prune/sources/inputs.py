"""Which network runs on which images, and how they are loaded and read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError, check_choice

if TYPE_CHECKING:
    import torch

    from network_prune.evaluation.reading import ReadOptions
    from network_prune.sources.data.listing import Request
    from network_prune.sources.data.load import ListedData, LoadedData
    from network_prune.sources.networks.load import LoadedNetwork
    from network_prune.sources.preprocessing import PixelTransform


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The options of that name on the command line, with their defaults."""

    weights: str = "default"
    cache_dir: str | PathLike[str] | None = None
    data: str | None = None
    data_root: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    limit: int | None = None
    first_label: int | None = None
    skip_unreadable: bool = False
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    batch_size: int = 64
    workers: int | None = None
    device: str = "auto"

    def data_for(self, archs: list[str]) -> str:
        """Return the name of the images for networks that are called ``archs``.

        Raises:
            ArgumentError: none is named, and the embedded ones don't fit.
        """
        if self.data is not None:
            return self.data
        arch = next((name for name in archs if name != "digits"), None)
        if arch is None:
            return "digits"
        raise ArgumentError(
            f"{arch} needs labelled images: pass --data FOLDER (class folders, or one with val/ in "
            f"it, such as ImageNet's), --data FILE.csv, or --data fake:64 for a trial run"
        )

    @property
    def reading(self) -> "ReadOptions":
        """The options of `Reading`."""
        return {
            "batch_size": self.batch_size,
            "workers": self.workers,
            "skip_unreadable": self.skip_unreadable,
        }

    @property
    def data_options(self) -> dict[str, Any]:
        """The options of `load_data` that say how the data named ``data`` are read."""
        return {
            "limit": self.limit,
            "root": self.data_root,
            "image_column": self.image_column,
            "label_column": self.label_column,
            "first_label": self.first_label,
        }

    def check(self, data: str) -> None:
        """Find out before any network is loaded what would be refused for each.

        Raises:
            NetworkPruneError: an option or ``data`` fits no network.
        """
        from network_prune.sources.data.pictures import check_loading
        from network_prune.sources.preprocessing import INTERPOLATIONS

        check_loading(batch_size=self.batch_size, workers=self.workers)
        check_choice("interpolation", self.interpolation or "bilinear", INTERPOLATIONS)
        self._list(data, self.data_options)

    def check_score_data(self, spec: str, data: str) -> None:
        """As `check`, for the images called ``spec`` that a score is computed on.

        Raises:
            NetworkPruneError: they fit no network.
        """
        self._list(spec, self._score_options(spec, data))

    def load_network(self, arch: str) -> "LoadedNetwork":
        """Return the network called ``arch``, on the CPU.

        Raises:
            NetworkPruneError: the network or its weights can't be loaded.
        """
        from network_prune.sources.networks.load import load_network

        names = ("resize", "crop", "interpolation", "mean", "std")
        return load_network(
            arch,
            weights=self.weights,
            preprocessing={name: getattr(self, name) for name in names},
            cache_dir=self.cache_dir,
        )

    def load_data(
        self, data: str, network: "LoadedNetwork", *, transform: "PixelTransform | None" = None
    ) -> "LoadedData":
        """Return the images called ``data``, preprocessed for ``network``.

        Args:
            data: their name.
            network: says how many classes there are.
            transform: what makes tensors of pictures; None takes the network's own.

        Raises:
            NetworkPruneError: they can't be loaded or don't fit the network.
        """
        return self._load(data, network, transform, self.data_options)

    def load_score_data(self, spec: str, data: str, network: "LoadedNetwork") -> "LoadedData":
        """Return the images called ``spec`` that a score is computed on, for ``network``.

        The options that say how to read ``data`` hold for images of the same form, too.

        Raises:
            NetworkPruneError: they can't be loaded or don't fit the network.
        """
        return self._load(spec, network, None, self._score_options(spec, data))

    def choose_device(self) -> "torch.device":
        """Return the device to run on.

        Raises:
            ArgumentError: there is no such device, or not here.
        """
        from network_prune.evaluation.device import choose_device

        return choose_device(self.device)

    @cached_property
    def _list_once(self) -> "Callable[[Request], ListedData]":
        """`list_data`, which reads what several networks run on for the first of them alone."""
        from network_prune.sources.data.load import list_data

        return cache(list_data)

    def _list(self, spec: str, options: Mapping[str, Any]) -> "ListedData":
        from network_prune.sources.data.listing import Request

        return self._list_once(
            Request(
                spec=spec,
                skip_unreadable=self.skip_unreadable,
                cache_dir=self.cache_dir,
                **options,
            )
        )

    def _load(
        self,
        spec: str,
        network: "LoadedNetwork",
        transform: "PixelTransform | None",
        options: Mapping[str, Any],
    ) -> "LoadedData":
        transform = transform or network.preprocessing.transform()
        return self._list(spec, options).bind(classes=network.classes, transform=transform)

    def _score_options(self, spec: str, data: str) -> dict[str, Any]:
        from network_prune.sources.data.load import same_form

        return {**self.data_options, "limit": None} if same_form(spec, data) else {}
