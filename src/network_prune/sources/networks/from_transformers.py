"""Image classifiers of transformers: ``hf:ORG/NAME[@REVISION]``, ``hf:FOLDER``."""

import copy
import json
import os
import re
import sys
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from network_prune.errors import SourceError, one_line
from network_prune.extras import require
from network_prune.sources.downloads import find_on_hub
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.image_processors import (
    FILES,
    copy_processor,
    read_preprocessing,
)
from network_prune.sources.networks.weights.checkpoints import Checkpoint
from network_prune.sources.networks.weights.files import State
from network_prune.sources.networks.weights.fit import differences
from network_prune.sources.preprocessing import Incomplete, Preprocessing, from_timm
from network_prune.sources.published_files import weights_text

CONFIG = "config.json"
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_INSTEAD = "save the network and pass hf:FOLDER"
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
        self.config = network.config

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
        folder: where they lie, or will when they are downloaded.
        repository: ``OWNER/NAME@COMMIT`` of the hub that they come from; None for a folder.
    """

    name: str
    origin: str
    folder: Path
    repository: str | None = None

    def find(self, *names: str) -> Path | None:
        """Return the path of the first of the files ``names`` that there is, or None."""
        if self.repository is not None:
            return find_on_hub(self.repository, names, instead=_INSTEAD)
        return next((self.folder / name for name in names if (self.folder / name).is_file()), None)


def open_transformers(spec: str) -> Architecture:
    """Return the ways to make transformers' network ``hf:ORG/NAME[@REVISION]`` or ``hf:FOLDER``.

    Code that a repository brings is never run.

    Raises:
        SourceError: transformers isn't installed, or the repository or folder
            doesn't hold an image classifier of it.
        RunError: files must be downloaded and can't be.
    """
    require("transformers", extra="transformers", what=spec)
    place = _find_place(spec)
    config, kind = _read_config(place)
    preprocessing, flips = _read_preprocessing(place)

    def published() -> Published:
        files = _weights_files(place)
        origin = place.origin if place.repository is None else weights_text(place.origin, *files)
        network = Classifier(_load(kind, config, place, files), flips=flips)
        return Published(network, origin, preprocessing)

    def resized(outputs: int | None) -> Architecture:
        own = copy.deepcopy(config)
        if outputs is not None:
            own.num_labels = outputs
        return Architecture(
            lambda: Classifier(_build(kind, own, spec), flips=flips),
            published,
            lambda _: preprocessing,
            adapt=partial(_rename, kind, own),
            resized=resized,
        )

    return resized(None)


def save_transformers(model: Classifier, folder: Path, spec: str) -> None:
    """Write a network, and the image processor of ``spec`` that it comes from, into a folder.

    Raises:
        SourceError: the processor can't be found any more.
        RunError: it must be downloaded and can't be.
    """
    place = _find_place(spec)
    with _quiet():
        model.network.save_pretrained(folder)  # pyright: ignore[reportCallIssue]
        place.find(*FILES)
        copy_processor(place.folder, folder)


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


def _find_place(spec: str) -> Place:
    name = spec.removeprefix("hf:")
    folder = Path(name)
    if os.path.isdir(name):
        return Place(spec, f"as saved in {folder}", folder.resolve())
    if _REPOSITORY.fullmatch(name) is None:
        raise SourceError(
            f"{spec}: {name!r} is neither a folder nor ORG/NAME; "
            "pass hf:ORG/NAME[@REVISION] or hf:FOLDER"
        )
    config = find_on_hub(name, (CONFIG,), instead=_INSTEAD)
    if config is None:
        raise SourceError(f"{spec} has no {CONFIG}, so that transformers can't tell what it is")
    # Every file comes from the commit that the first one came from.
    commit = config.parent.name
    repository = f"{name.partition('@')[0]}@{commit}"
    return Place(spec, f"published, revision {commit}", config.parent, repository)


@_quiet()
def _read_config(place: Place) -> tuple[Any, Any]:
    """Return the configuration and the class of the classifier."""
    import transformers

    content = _check_config(place)
    try:
        config: Any = transformers.AutoConfig.from_pretrained(
            place.folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:
        if "auto_map" in content:
            raise SourceError(
                f"{place.name} needs code of its own (auto_map in {CONFIG}), which is never run; "
                "make the network with file.py:callable"
            ) from error
        raise SourceError(f"{place.name} can't be loaded: {one_line(error)}") from error
    kinds: Any = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING.get(type(config), None)
    if kinds is None:
        raise SourceError(
            f"{place.name} is a {config.model_type}, which transformers has no image classifier for"
        )
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    wanted = config.architectures or ()
    return config, next((kind for kind in kinds if kind.__name__ in wanted), kinds[0])


def _check_config(place: Place) -> dict[str, Any]:
    path = place.folder / CONFIG
    if not path.is_file():
        raise SourceError(f"{place.name} has no {CONFIG}; pass what save_pretrained wrote")
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path} can't be read as JSON ({one_line(error)})") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path} holds a {type(content).__name__}, not a configuration")
    if "model_type" in content:
        return content
    if "architecture" in content and "pretrained_cfg" in content:
        raise SourceError(f"{place.name} is a network of timm; {_instead_of(place, content)}")
    raise SourceError(f"{path} names no model_type, so that transformers can't tell what it is")


def _instead_of(place: Place, content: Mapping[str, Any]) -> str:
    """Return what loads a network of timm, of which ``content`` is the configuration."""
    require("timm", what=place.name)
    from timm.models import is_model, is_model_pretrained

    name = place.name.removeprefix("hf:").partition("@")[0].rpartition("/")[2]
    if place.repository is not None and is_model(name) and is_model_pretrained(name):
        return f"pass timm:{name}"
    found = (place.folder / file for file in ("model.safetensors", "pytorch_model.bin"))
    path = next(filter(Path.is_file, found), "FILE, its model.safetensors downloaded")
    try:
        said = from_timm(content["pretrained_cfg"], name=place.name)
    except Exception as error:  # timm raises nearly anything over what it doesn't expect
        raise SourceError(
            f"{place.name}: its {CONFIG} can't be read ({one_line(error)})"
        ) from error
    mean, std = (",".join(map(str, values)) for values in (said.mean, said.std))
    return (
        f"pass --arch timm:{content['architecture']} --resize {said.resize} --crop {said.crop} "
        f"--interpolation {said.interpolation} --mean {mean} --std {std} --weights {path}"
    )


@_quiet()
def _read_preprocessing(place: Place) -> tuple[Preprocessing | Incomplete, bool]:
    place.find(*FILES)
    return read_preprocessing(place.folder, name=place.name)


@_quiet()
def _build(kind: Any, config: Any, spec: str) -> nn.Module:
    try:
        return kind(config).float()
    except Exception as error:
        raise SourceError(f"{spec} can't be built: {one_line(error)}") from error


def _load(kind: Any, config: Any, place: Place, files: Iterable[Path]) -> nn.Module:
    state: State = {}
    for file in files:
        state |= Checkpoint(str(file)).first
    try:
        network, used, _ = _convert(kind, config, state)
    except Exception as error:
        raise SourceError(f"{place.name} can't be loaded: {one_line(error)}") from error
    problems = differences(network.state_dict(), used)
    if problems:
        raise SourceError(
            f"the weights of {place.name} aren't those of a trained classifier: "
            f"{'; '.join(problems)}; pass --weights none or a file"
        )
    return network


def _weights_files(place: Place) -> list[Path]:
    path = place.find(*WEIGHTS)
    if path is None:
        raise SourceError(
            f"{place.name} has no {WEIGHTS[0]}; pass --weights none for random ones, or a file"
        )
    if path.suffix != ".json":
        return [path]
    files: list[Path] = []
    for name in _parts(path):
        part = place.find(name)
        if part is None:
            raise SourceError(f"{place.name} has no {name}, which its {path.name} asks for")
        files.append(part)
    return files


def _parts(index: Path) -> list[str]:
    try:
        names: Any = set(json.loads(index.read_text())["weight_map"].values())
    except (OSError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise SourceError(f"{index} isn't an index of weights ({one_line(error)})") from error
    if not all(isinstance(name, str) and Path(name).name == name for name in names):
        raise SourceError(f"{index} asks for files outside its folder")
    return sorted(names)


@_quiet()
def _convert(kind: Any, config: Any, state: State) -> tuple[nn.Module, State, set[str]]:
    """Return the network with ``state``, what it took of it, and the names of what it didn't.

    transformers renames weights of its older versions, and makes up those that are missing.
    Weights of another shape are given empty.
    """
    network, report = kind.from_pretrained(
        None,
        config=config,
        state_dict=dict(state),
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    network = network.float()
    reshaped = {name: torch.empty(shape) for name, shape, _ in report["mismatched_keys"]}
    made_up = {*report["missing_keys"], *reshaped}
    taken = {name: value for name, value in network.state_dict().items() if name not in made_up}
    return network, taken | reshaped, report["unexpected_keys"]


def _rename(kind: Any, config: Any, state: State, _: nn.Module) -> State:
    found = {name.removeprefix(_PREFIX): value for name, value in state.items()}
    # What is wrong is said where names and shapes are compared.
    with suppress(Exception):
        _, taken, left = _convert(kind, config, found)
        found = taken | {name: found[name] for name in left if name in found}
    return {_PREFIX + name: value for name, value in found.items()}
