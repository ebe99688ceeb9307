"""Which images networks run on, and how both are loaded: what a study's options say of it."""

import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError, check_choice, unknown_name
from network_prune.sources.digits.names import NAMES

if TYPE_CHECKING:
    from network_prune.sources.data.loaded import ListedData, LoadedData
    from network_prune.sources.networks.load import LoadedNetwork
    from network_prune.sources.preprocessing import PixelTransform


class Inputs:
    """Loads networks and images; images that several networks run on are listed once.

    Args:
        options: the options of a study, checked already.
        archs: the networks' names.

    Attributes:
        data: the images' name.
        data_options: the options of `load_data` that say how they are read.
        preprocessing: what overrules the networks' own preprocessing.

    Raises:
        ArgumentError: no images are named, and the embedded ones don't fit.
    """

    def __init__(self, options: Mapping[str, Any], archs: Sequence[str]) -> None:
        self._options = options
        self._list = cache(self._list_anew)
        self.data: str = options["data"] or _embedded_data(archs)
        self.data_options: dict[str, Any] = {
            "limit": options["limit"],
            "root": options["data_root"],
            "image_column": options["image_column"],
            "label_column": options["label_column"],
            "first_label": options["first_label"],
            "class_order": options["class_order"],
            "only_data_classes": options["only_data_classes"],
            "exif": options["exif"],
        }
        if "target_column" in options:
            self.data_options |= {"targets": True, "target_column": options["target_column"]}
        names = ("resize", "crop", "interpolation", "mean", "std")
        self.preprocessing: dict[str, Any] = {
            name: options[name] for name in names if options[name] is not None
        }

    def check(self, *spec: str) -> None:
        """Find out before any network is loaded what would be refused for each.

        Args:
            spec: names of other images that are needed.

        Raises:
            NetworkPruneError: an option or images fit no network.
        """
        from network_prune.sources.preprocessing import INTERPOLATIONS

        check_choice("interpolation", self._options["interpolation"] or "bilinear", INTERPOLATIONS)
        for each in (self.data, *spec):
            self._list(each)

    def load_network(self, arch: str, weights: str) -> "LoadedNetwork":
        """Return the network called ``arch``, on the CPU.

        Raises:
            NetworkPruneError: the network or its weights can't be loaded.
        """
        from network_prune.sources.networks.load import load_network

        return load_network(
            arch,
            weights=weights,
            preprocessing=self.preprocessing,
            cache_dir=self._options["cache_dir"],
            warn=False,
        )

    def load_data(
        self, spec: str, network: "LoadedNetwork", transform: "PixelTransform"
    ) -> "LoadedData":
        """Return the images called ``spec`` for ``network``.

        The options that say how to read the evaluation data hold for images of the same
        form, too, but for ``limit``.

        Raises:
            NetworkPruneError: they can't be loaded or don't fit the network.
        """
        return self._list(spec).bind(outputs=network.outputs, transform=transform)

    def _list_anew(self, spec: str) -> "ListedData":
        from network_prune.sources.data.listing import Request
        from network_prune.sources.data.load import list_data, same_form

        options: dict[str, Any] = self.data_options
        if spec != self.data:
            options = {**options, "limit": None} if same_form(spec, self.data) else {}
        return list_data(
            Request(
                spec=spec,
                skip_unreadable=self._options["skip_unreadable"],
                cache_dir=self._options["cache_dir"],
                **options,
            )
        )


def _embedded_data(archs: Sequence[str]) -> str:
    arch = next((name for name in archs if name not in NAMES), None)
    if arch is None:
        return "digits"
    if difflib.get_close_matches(arch.lower(), NAMES, n=1, cutoff=0.75):
        raise ArgumentError(unknown_name("network", arch, NAMES))
    raise ArgumentError(
        f"{arch} needs labelled images: pass --data FOLDER (class folders, or one with val/ in "
        f"it, such as ImageNet's), --data FILE.csv, or --data fake:64 for a trial run"
    )
