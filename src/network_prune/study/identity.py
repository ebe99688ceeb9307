"""What decides a figure: as plain data in the record, in its key, and refused if changed."""

import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from network_prune.errors import SourceError
from network_prune.evaluation.variant import Variant
from network_prune.options import DECIDING
from network_prune.results.record_key import record_key
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.networks.load import LoadedNetwork
from network_prune.version import __version__

_ABSENT: Final = "not installed"


def describe_network(network: LoadedNetwork) -> dict[str, Any]:
    """Return what identifies a network, as plain data, and of a file's how it was made."""
    return {
        "name": network.name,
        "weights": network.weights,
        "weights_sha256": network.weights_sha256,
        "classes": network.classes,
        **({"made": _describe_made(network)} if network.made else {}),
    }


def _describe_made(network: LoadedNetwork) -> dict[str, Any]:
    parameters = list(network.model.parameters())
    return {
        "stage": str(network.made.get("stage", "packed")),
        "of": network.made["of"],
        "parameters": sum(parameter.numel() for parameter in parameters),
        "non_zeros": sum(int(parameter.count_nonzero()) for parameter in parameters),
    }


def describe_inputs(network: LoadedNetwork, data: LoadedData) -> dict[str, Any]:
    """Return what identifies a network, its preprocessing and the images, as plain data."""
    return {
        "network": describe_network(network),
        "preprocessing": network.preprocessing.to_dict(),
        "data": {
            "name": data.name,
            "n": data.n,
            "identity": data.identity,
            "images": data.images,
            "classes_by": data.classes_by,
        },
    }


def describe_running(options: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Return how networks are computed: the options that decide figures, as plain data."""
    values = {name: options[name] for name in DECIDING}
    amp = options["amp_dtype"] if options["amp"] else None
    fold = options["fold"] and amp is None  # as `Speed` says
    return {**values, "amp": amp, "fold": fold, "device": device.type}


def describe_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide the figures."""
    return {
        "network_prune": __version__,
        "torch": torch.__version__,
        # Importing these two takes seconds, and not every network needs them.
        "torchvision": _written_version("torchvision"),
        "timm": _written_version("timm"),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _written_version(package: str) -> str:
    """Return ``package.__version__`` from its version.py; with the build, unlike its metadata."""
    spec = find_spec(package)
    if spec is None:
        return _ABSENT
    assert spec.origin is not None
    text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    (found,) = re.findall(r"^__version__ = ['\"](.+)['\"]$", text, re.MULTILINE)
    return found


@dataclass(frozen=True, slots=True)
class Identity:
    """What decides the figures of one network's variants, as plain data.

    Attributes:
        base: what all its records hold: network, preprocessing, data, what was asked for
            (``weights``, ``data``, ``running``), versions, and notes on them for people.
        score_data: what learned scores are computed on; None without any.
    """

    base: Mapping[str, Any]
    score_data: Mapping[str, Any] | None

    def of(self, variant: Variant | None) -> dict[str, Any]:
        """Return what else decides the figures of a variant, None for the dense network."""
        return {
            "score_data": self.score_data if variant is not None and variant.learns else None,
            "variant": None if variant is None else variant.to_dict(),
        }

    def key(self, variant: Variant | None) -> str:
        """Return the key of a variant's record."""
        return record_key({**self.base, **self.of(variant)})

    def check_names(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Refuse records of a network or images of the same name and other bytes.

        Raises:
            SourceError: there are such.
        """
        base = self.base
        for record in records:
            old, new = record["network"], base["network"]
            same_weights = record["asked"]["weights"] == base["asked"]["weights"]
            is_other = old["weights_sha256"] != new["weights_sha256"]
            if old["name"] == new["name"] and same_weights and is_other:
                raise _changed(f"the weights of {new['name']}")
            if record["asked"]["data"] != base["asked"]["data"]:
                continue
            for old, new in [
                (record["data"], base["data"]),
                (record["score_data"], self.score_data),
            ]:
                if old and new and _is_changed(old, new):
                    raise _changed(f"the images of {new['name']}", _turned(base))


def _is_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return old["name"] == new["name"] and old["identity"] != new["identity"]


def _turned(base: Mapping[str, Any]) -> str:
    """Return a hint where earlier versions took the same images otherwise."""
    is_hub = base["data"]["name"].startswith("hf:")
    follows_library = is_hub and base["asked"]["data"]["exif"] == "source"
    return "; earlier versions read hf: images as with --exif ignore" if follows_library else ""


def _changed(what: str, hint: str = "") -> SourceError:
    return SourceError(
        f"{what} aren't those of this study's records any more; pass another folder with --out, "
        f"or bring the old ones back{hint}"
    )
