"""The options that say which network runs on which images, for all commands that run one."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any

from network_prune.cli import options
from network_prune.cli.settings import preprocessing_options
from network_prune.errors import ArgumentError, check_choice

if TYPE_CHECKING:
    import torch

    from network_prune.sources.data import LoadedData
    from network_prune.sources.networks import LoadedNetwork
    from network_prune.study.reading import ReadOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The options, by their names on the command line, with their defaults."""

    weights: options.Weights = "default"
    cache_dir: options.CacheDir = None
    data: options.Data = None
    data_root: options.DataRoot = None
    image_column: options.ImageColumn = None
    label_column: options.LabelColumn = None
    limit: options.Limit = None
    first_label: options.FirstLabel = None
    skip_unreadable: options.SkipUnreadable = False
    resize: options.Resize = None
    crop: options.Crop = None
    interpolation: options.Interpolation = None
    mean: options.Mean = None
    std: options.Std = None
    batch_size: options.BatchSize = 64
    workers: options.Workers = None
    device: options.Device = "auto"

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
    def preprocessing(self) -> dict[str, Any]:
        """What to use instead of what the weights ask for.

        Raises:
            ArgumentError: means or deviations aren't numbers with commas.
        """
        return preprocessing_options(
            self.resize, self.crop, self.interpolation, mean=self.mean, std=self.std
        )

    def check(self, data: str) -> None:
        """Find out before any network is loaded what would be refused for each.

        Raises:
            NetworkPruneError: an option or ``data`` fits no network.
        """
        from network_prune.sources.data import check_data
        from network_prune.sources.images import check_loading
        from network_prune.sources.preprocessing import INTERPOLATIONS

        check_loading(batch_size=self.batch_size, workers=self.workers)
        interpolation = self.preprocessing["interpolation"] or "bilinear"
        check_choice("interpolation", interpolation, INTERPOLATIONS)
        check_data(data, skip_unreadable=self.skip_unreadable, **self._data_options)

    def check_score_data(self, spec: str, data: str) -> None:
        """As `check`, for the images called ``spec`` that a score is computed on.

        Raises:
            NetworkPruneError: they fit no network.
        """
        from network_prune.sources.data import check_data

        options = self._score_options(spec, data)
        options.pop("first_label")
        check_data(spec, skip_unreadable=self.skip_unreadable, **options)

    def load_network(self, arch: str) -> "LoadedNetwork":
        """Return the network called ``arch``, on the CPU.

        Raises:
            NetworkPruneError: the network or its weights can't be loaded.
        """
        from network_prune.sources.networks import load_network

        return load_network(
            arch, weights=self.weights, preprocessing=self.preprocessing, cache_dir=self.cache_dir
        )

    def load_data(self, data: str, network: "LoadedNetwork") -> "LoadedData":
        """Return the images called ``data``, preprocessed for ``network``.

        Raises:
            NetworkPruneError: they can't be loaded or don't fit the network.
        """
        return self._load(data, network, {**self._data_options, "first_label": self.first_label})

    def load_score_data(self, spec: str, data: str, network: "LoadedNetwork") -> "LoadedData":
        """Return the images called ``spec`` that a score is computed on, for ``network``.

        The options that say how to read ``data`` hold for images of the same form, too.

        Raises:
            NetworkPruneError: they can't be loaded or don't fit the network.
        """
        return self._load(spec, network, self._score_options(spec, data))

    def _load(
        self, spec: str, network: "LoadedNetwork", options: Mapping[str, Any]
    ) -> "LoadedData":
        from network_prune.sources.data import load_data

        return load_data(
            spec,
            transform=network.preprocessing.transform(),
            classes=network.classes,
            skip_unreadable=self.skip_unreadable,
            cache_dir=self.cache_dir,
            **options,
        )

    def _score_options(self, spec: str, data: str) -> dict[str, Any]:
        from network_prune.sources.data import same_form

        if not same_form(spec, data):
            return {"first_label": None}
        return {**self._data_options, "limit": None, "first_label": self.first_label}

    def choose_device(self) -> "torch.device":
        """Return the device to run on.

        Raises:
            ArgumentError: there is no such device, or not here.
        """
        from network_prune.study.device import choose_device

        return choose_device(self.device)

    @property
    def _data_options(self) -> dict[str, Any]:
        return {
            "limit": self.limit,
            "root": self.data_root,
            "image_column": self.image_column,
            "label_column": self.label_column,
        }


def takes_inputs(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command``, whose first parameter is an `Inputs`, the options of its fields.

    The function that is returned has each as a parameter of its own, as Typer wants it; in
    the help they follow the command's first option.
    """
    names = {field.name for field in fields(Inputs)}

    @wraps(command)
    def call(**values: Any) -> None:
        inputs = Inputs(**{name: values.pop(name) for name in list(values) if name in names})
        command(inputs, **values)

    _, first, *others = inspect.signature(command).parameters.values()
    order = (first, *inspect.signature(Inputs).parameters.values(), *others)
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in order]
    vars(call)["__signature__"] = inspect.Signature(parameters)
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    return call
