"""Image classifiers of transformers: ``hf:ORG/NAME[@REVISION]``, ``hf:FOLDER``."""

import json
import re
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from network_prune.errors import SourceError, one_line
from network_prune.sources.downloads import find_on_hub
from network_prune.sources.extras import require
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.image_processors import FILES, read_preprocessing
from network_prune.sources.networks.weights import State, differences, read_weights
from network_prune.sources.preprocessing import Incomplete, Preprocessing

CONFIG = "config.json"
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_PREFIX = "network."
_REPOSITORY = re.compile(r"\w[\w.-]*(?:/\w[\w.-]*)?(?:@[^@\s]+)?")


class Classifier(nn.Module):
    """A classifier of transformers that takes and gives tensors alone.

    Args:
        network: takes pixel_values [n, C, H, W], gives an object with logits.
        flips: whether it was trained on BGR; the classifier takes RGB.
    """

    def __init__(self, network: nn.Module, *, flips: bool = False) -> None:
        super().__init__()
        self.network = network
        self.flips = flips

    def forward(self, images: Tensor) -> Tensor:
        """Return logits [n, classes] for images [n, C, H, W]."""
        pixels = images.flip(1) if self.flips else images
        return self.network(pixel_values=pixels).logits


@dataclass(frozen=True, slots=True)
class Place:
    """Where a network's files are.

    Attributes:
        name: what errors call it.
        origin: what its weights are called.
        find: the path of the first of some file names that there is, or None.
    """

    name: str
    origin: str
    find: Callable[[tuple[str, ...]], Path | None]


def open_transformers(spec: str) -> Architecture:
    """Return the ways to make transformers' network ``hf:ORG/NAME[@REVISION]`` or ``hf:FOLDER``.

    Code that a repository brings is never run.

    Raises:
        SourceError: transformers isn't installed, or the repository or folder
            holds no image classifier that it knows.
        RunError: files must be downloaded and can't be.
    """
    require("transformers", extra="transformers", what=spec)
    place = _find_place(spec)
    with _quiet():
        config, kind = _read_config(place)
        preprocessing, flips = _preprocessing(place)

    def blank() -> nn.Module:
        with _quiet():
            return Classifier(_build(kind, config, spec), flips=flips)

    def published(weights: str | None) -> Published:
        if weights is not None:
            raise SourceError(f"{spec} has no weights {weights!r}; pass default, none or a file")
        with _quiet():
            network = _load(kind, config, _read_all(place), place)
        return Published(Classifier(network, flips=flips), place.origin, preprocessing)

    def adapt(state: State) -> State:
        with _quiet():
            return _rename(kind, config, state)

    return Architecture(blank, published, lambda _: preprocessing, adapt)


def _find_place(spec: str) -> Place:
    name = spec.removeprefix("hf:")
    folder = Path(name)
    if name and folder.is_dir():
        return _in_folder(folder.resolve(), spec, f"as saved in {folder}")
    if _REPOSITORY.fullmatch(name) is None:
        raise SourceError(
            f"{spec}: {name!r} is neither a folder nor ORG/NAME; "
            "pass hf:ORG/NAME[@REVISION] or hf:FOLDER"
        )

    def find(names: tuple[str, ...], revision: str = name) -> Path | None:
        return find_on_hub(revision, names, instead="save the network and pass hf:FOLDER")

    config = find((CONFIG,))
    if config is None:
        raise SourceError(f"{spec} has no {CONFIG}, so that transformers can't tell what it is")
    # Every file comes from the commit that the first one came from.
    commit = config.parent.name
    pinned = f"{name.partition('@')[0]}@{commit}"
    return Place(spec, f"published, revision {commit}", lambda names: find(names, pinned))


def _in_folder(folder: Path, name: str, origin: str) -> Place:
    def find(names: tuple[str, ...]) -> Path | None:
        return next((folder / file for file in names if (folder / file).is_file()), None)

    return Place(name, origin, find)


def _read_config(place: Place) -> tuple[Any, Any]:
    import transformers
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING as CLASSIFIERS,
    )

    path = place.find((CONFIG,))
    if path is None:
        raise SourceError(f"{place.name} has no {CONFIG}; pass what save_pretrained wrote")
    content = _check_config(path, place)
    try:
        config: Any = transformers.AutoConfig.from_pretrained(
            path.parent, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        if "auto_map" in content:
            raise SourceError(
                f"{place.name} needs code of its own (auto_map in {CONFIG}), which is never run; "
                "make the network with file.py:callable"
            ) from error
        raise SourceError(f"{place.name} can't be loaded: {one_line(error)}") from error
    if type(config) not in CLASSIFIERS:
        raise SourceError(
            f"{place.name} is a {config.model_type}, which transformers has no image classifier for"
        )
    kinds: Any = CLASSIFIERS[type(config)]
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    wanted = config.architectures or ()
    return config, next((kind for kind in kinds if kind.__name__ in wanted), kinds[0])


def _check_config(path: Path, place: Place) -> dict[str, Any]:
    try:
        content: Any = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} can't be read as JSON ({one_line(error)})") from error
    if "model_type" in content:
        return content
    if "architecture" in content and "pretrained_cfg" in content:
        name = Path(place.name.removeprefix("hf:").partition("@")[0]).name
        raise SourceError(f"{place.name} is a network of timm; pass timm:{name}")
    raise SourceError(f"{path} names no model_type, so that transformers can't tell what it is")


def _preprocessing(place: Place) -> tuple[Preprocessing | Incomplete, bool]:
    found = place.find(FILES)
    config = place.find((CONFIG,))
    assert config is not None
    return read_preprocessing((found or config).parent, name=place.name)


def _build(kind: Any, config: Any, spec: str) -> nn.Module:
    try:
        return kind(config).float()
    except Exception as error:
        raise SourceError(f"{spec} can't be built: {one_line(error)}") from error


def _read_all(place: Place) -> State:
    path = place.find(WEIGHTS)
    if path is None:
        raise SourceError(
            f"{place.name} has no {WEIGHTS[0]}; pass --weights none for random ones, or a file"
        )
    if path.suffix != ".json":
        return read_weights(path)
    state: State = {}
    for name in _shards(path):
        shard = place.find((name,))
        if shard is None:
            raise SourceError(f"{place.name} has no {name}, which its {path.name} asks for")
        state |= read_weights(shard)
    return state


def _shards(index: Path) -> list[str]:
    try:
        names: Any = set(json.loads(index.read_text())["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SourceError(f"{index} isn't an index of weights ({one_line(error)})") from error
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise SourceError(f"{index} asks for files outside its folder")
    return sorted(names)


def _load(kind: Any, config: Any, state: State, place: Place) -> nn.Module:
    try:
        network, report = _convert(kind, config, state)
    except Exception as error:
        raise SourceError(f"{place.name} can't be loaded: {one_line(error)}") from error
    wanted = network.state_dict()
    fitting = {name: value for name, value in wanted.items() if name not in _lacking(report)}
    problems = differences(wanted, fitting | _reshaped(report))
    if problems:
        raise SourceError(
            f"the weights of {place.name} aren't those of a trained classifier: "
            f"{'; '.join(problems)}; pass --weights none or a file"
        )
    return network


def _convert(kind: Any, config: Any, state: State) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network with ``state`` and transformers' report of what doesn't fit.

    It renames weights of its older versions, and makes up those that are missing.
    """
    network, report = kind.from_pretrained(
        None,
        config=config,
        state_dict=dict(state),
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    return network.float(), report


def _rename(kind: Any, config: Any, state: State) -> State:
    bare = {name.removeprefix(_PREFIX): value for name, value in state.items()}
    try:
        network, report = _convert(kind, config, bare)
    except Exception:
        # What is wrong is said where names and shapes are compared.
        return _prefixed(bare)
    fitting = {
        name: value for name, value in network.state_dict().items() if name not in _lacking(report)
    }
    unexpected = {name: bare[name] for name in report["unexpected_keys"] if name in bare}
    return _prefixed(fitting | _reshaped(report) | unexpected)


def _lacking(report: dict[str, Any]) -> set[str]:
    return {*report["missing_keys"], *_reshaped(report)}


def _reshaped(report: dict[str, Any]) -> State:
    import torch

    return {name: torch.empty(shape) for name, shape, _ in report["mismatched_keys"]}


def _prefixed(state: State) -> State:
    return {_PREFIX + name: value for name, value in state.items()}


@contextmanager
def _quiet() -> Generator[None]:
    """Keep transformers from writing meanwhile; on a terminal, its progress is shown."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(CRITICAL)
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
