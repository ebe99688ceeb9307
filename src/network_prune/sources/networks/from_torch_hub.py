"""Networks of torch.hub: ``hub:OWNER/REPO[:REF]:ENTRY``, ``hub:FOLDER:ENTRY``."""

import importlib.util
import re
import sys
import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from network_prune.errors import RunError, SourceError
from network_prune.sources.downloads import check_reachable, reason
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.user_code import (
    call,
    find_callable,
    importable,
    parameters,
    run_file,
    stated_preprocessing,
)
from network_prune.sources.preprocessing import Preprocessing

_REPOSITORY = re.compile(r"(?P<owner>\w[\w.-]*)/(?P<name>\w[\w.-]*)(?::(?P<ref>[^:\s]+))?")
# Options that entries take for their weights, with the value that means random ones.
_RANDOM: dict[str, Any] = {"pretrained": False, "weights": None}


def open_torch_hub(spec: str) -> Architecture:
    """Return the ways to make the network of an entry in a ``hubconf.py``; runs that file.

    The entry is called with ``pretrained=True`` if it takes that; one that
    takes ``weights`` gets the name of the weights asked for. Repositories in
    torch's cache are used as they are, others are downloaded into it.

    Raises:
        SourceError: there is no such folder or entry, or its code fails.
        RunError: the repository must be downloaded and can't be.
    """
    source, _, name = spec.removeprefix("hub:").rpartition(":")
    folder = _find_folder(source, spec)
    with importable(folder):
        entry = _find_entry(folder, name)
    options = parameters(entry)
    make = partial(_make, entry, folder, spec)
    choice = next((option for option in _RANDOM if option in options), None)

    def preprocessing(model: nn.Module) -> Preprocessing:
        return stated_preprocessing(model, spec)

    def published(weights: str | None) -> Published:
        chosen = _choose(spec, choice, weights)
        if choice == "weights" and weights is None and options[choice].default is None:
            raise SourceError(
                f"{spec} makes random weights unless told which; pass --weights NAME, which it "
                "gets as weights=NAME, none or a file"
            )
        model = make(**chosen)
        told = "".join(f" with {key}={value}" for key, value in chosen.items())
        return Published(model, f"as {spec} returns them{told}", preprocessing(model))

    if choice is None:
        return Architecture(None, published, preprocessing)
    random = {choice: _RANDOM[choice]}
    return Architecture(lambda: make(**random), published, preprocessing)


def _choose(spec: str, choice: str | None, weights: str | None) -> dict[str, Any]:
    if weights is not None and choice != "weights":
        raise SourceError(f"{spec} has no weights {weights!r}; pass default or a file")
    if choice == "pretrained":
        return {"pretrained": True}
    return {} if weights is None else {"weights": weights}


def _make(entry: Callable[..., Any], folder: Path, spec: str, **options: Any) -> nn.Module:
    if "progress" in parameters(entry):
        options["progress"] = sys.stderr.isatty()
    try:
        with importable(folder):
            return call(entry, spec, **options)
    except SourceError as error:
        if not isinstance(error.__cause__, urllib.error.URLError):
            raise
        checkpoints = Path(torch.hub.get_dir()) / "checkpoints"
        raise RunError(
            f"can't download the weights of {spec} ({reason(error.__cause__)}); "
            f"put the file into {checkpoints} or pass --weights FILE"
        ) from error


def _find_folder(source: str, spec: str) -> Path:
    folder = Path(source)
    if source and folder.is_dir():
        return folder.resolve()
    parts = _REPOSITORY.fullmatch(source)
    if parts is None:
        raise SourceError(
            f"{spec}: {source!r} is neither a folder nor OWNER/REPO; "
            "pass hub:OWNER/REPO[:REF]:ENTRY or hub:FOLDER:ENTRY"
        )
    return _cached(parts) or _download(parts, source)


def _cached(parts: re.Match[str]) -> Path | None:
    refs = [parts["ref"].replace("/", "_")] if parts["ref"] else ["main", "master"]
    folders = [
        Path(torch.hub.get_dir()) / f"{parts['owner']}_{parts['name']}_{ref}" for ref in refs
    ]
    return next((folder for folder in folders if folder.is_dir()), None)


def _download(parts: re.Match[str], source: str) -> Path:
    where = Path(torch.hub.get_dir()) / f"{parts['owner']}_{parts['name']}_"
    ref = parts["ref"].replace("/", "_") if parts["ref"] else "main"
    remedy = f"put the repository into {where}{ref} or pass hub:FOLDER:ENTRY"
    # torch.hub itself waits without limit for an answer.
    check_reachable(f"https://github.com/{parts['owner']}/{parts['name']}", source, remedy)
    # Its newest annotation lacks the value that it documents for "without asking".
    download: Any = torch.hub.list
    try:
        download(source, trust_repo=True, verbose=False)
    except (Exception, SystemExit) as error:
        # Listing runs the code too; where that alone fails, it is run again and says why.
        if _cached(parts) is None:
            raise RunError(f"can't download {source} ({reason(error)}); {remedy}") from error
    folder = _cached(parts)
    if folder is None:
        raise RunError(f"can't download {source} (it isn't where torch.hub puts it); {remedy}")
    return folder


def _find_entry(folder: Path, name: str) -> Callable[..., Any]:
    path = folder / "hubconf.py"
    if not path.is_file():
        raise SourceError(f"{folder} has no hubconf.py; pass the top folder of a hub repository")
    module = run_file(path)
    _check_dependencies(module, path)
    return find_callable(module, name, where=str(path))


def _check_dependencies(module: ModuleType, path: Path) -> None:
    wanted: list[str] = list(getattr(module, "dependencies", ()))
    missing = [name for name in wanted if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        raise SourceError(
            f"{path} needs {', '.join(missing)}, which isn't installed; "
            f"pip install {' '.join(missing)}"
        )
