"""Networks of torch.hub: ``hub:OWNER/REPO[:REF]:ENTRY``, ``hub:FOLDER:ENTRY``."""

import importlib.util
import os
import re
import sys
import urllib.error
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from network_prune.display.text import shortened
from network_prune.errors import SourceError, brief
from network_prune.sources.downloads import (
    check_reachable,
    failed_download,
    libraries_told,
    reason,
    torch_cache,
)
from network_prune.sources.networks.architecture import Architecture, Published
from network_prune.sources.networks.stated import stated_preprocessing
from network_prune.sources.networks.user_code import (
    call,
    find_callable,
    importable,
    parameters,
    run_file,
)

_REPOSITORY = re.compile(
    r"(?P<owner>\w[\w.-]*)/(?P<name>\w[\w.-]*)(?::(?P<ref>[\w./-]+))?", re.ASCII
)


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
    preprocessing = partial(stated_preprocessing, spec=spec)

    def published(**chosen: Any) -> Published:
        model = make(**chosen)
        told = "".join(f" with {key}={value}" for key, value in chosen.items())
        return Published(model, f"as {spec} returns them{told}", preprocessing(model))

    def default() -> Published:
        if options["weights"].default is None:
            raise SourceError(
                f"{spec} makes random weights unless told which; pass --weights NAME, which it "
                "gets as weights=NAME, none or a file"
            )
        return published()

    if "pretrained" in options:
        return Architecture(
            partial(make, pretrained=False), partial(published, pretrained=True), preprocessing
        )
    if "weights" in options:
        return Architecture(
            partial(make, weights=None),
            default,
            preprocessing,
            named=lambda weights: published(weights=weights),
        )
    return Architecture(None, published, preprocessing)


def _make(entry: Callable[..., Any], folder: Path, spec: str, **options: Any) -> nn.Module:
    if "progress" in parameters(entry):
        options["progress"] = sys.stderr.isatty()
    try:
        with importable(folder):
            return call(entry, spec, **options)
    except SourceError as error:
        if not isinstance(error.__cause__, urllib.error.URLError):
            raise
        remedy = f"put the file into {torch_cache()}/checkpoints or pass --weights FILE"
        why = reason(error.__cause__)
        raise failed_download(f"the weights of {spec}", why, remedy) from error


def _find_folder(source: str, spec: str) -> Path:
    folder = Path(source)
    if os.path.isdir(source):
        return folder.resolve()
    parts = _REPOSITORY.fullmatch(source)
    if parts is None:
        raise SourceError(
            f"{shortened(spec, 200)}: {brief(source)} is neither a folder nor OWNER/REPO; "
            "pass hub:OWNER/REPO[:REF]:ENTRY or hub:FOLDER:ENTRY"
        )
    owner, name, ref = parts.groups()
    refs = [ref.replace("/", "_")] if ref else ["main", "master"]
    places = [torch_cache() / f"{owner}_{name}_{ref}" for ref in refs]
    if not any(map(Path.is_dir, places)):
        _download(source, f"https://github.com/{owner}/{name}", places)
    return next(filter(Path.is_dir, places))


def _download(source: str, url: str, places: list[Path]) -> None:
    remedy = f"put the repository into {places[0]} or pass hub:FOLDER:ENTRY"
    # torch.hub itself waits without limit for an answer.
    check_reachable(url, source, remedy)
    # Its newest annotation lacks the value that it documents for "without asking".
    download: Any = torch.hub.list
    why, cause = "it isn't where torch.hub puts it", None
    try:
        with libraries_told():
            download(source, trust_repo=True, verbose=False)
    except (Exception, SystemExit) as error:
        # Listing runs the code too; where that alone fails, it is run again and says why.
        why, cause = reason(error), error
    if not any(map(Path.is_dir, places)):
        raise failed_download(source, why, remedy) from cause


def _find_entry(folder: Path, name: str) -> Callable[..., Any]:
    path = folder / "hubconf.py"
    if not path.is_file():
        raise SourceError(f"{folder} has no hubconf.py; pass the top folder of a hub repository")
    module = run_file(path)
    wanted: list[str] = list(getattr(module, "dependencies", ()))
    missing = [name for name in wanted if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        raise SourceError(
            f"{path} needs {', '.join(missing)}, which isn't installed; "
            f"pip install {' '.join(missing)}"
        )
    return find_callable(module, name, where=str(path))
