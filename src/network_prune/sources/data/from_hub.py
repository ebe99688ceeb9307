"""Data sets of the datasets library: ``hf:DATASET:SPLIT``, or a folder it saved to disk."""

import io
import logging
import os
import re
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from network_prune.display.text import shortened
from network_prune.errors import NetworkPruneError, RunError, SourceError, one_line
from network_prune.extras import require
from network_prune.sources.data.class_names import match_classes, number_labels
from network_prune.sources.data.from_manifest import IMAGE_COLUMNS, LABEL_COLUMNS
from network_prune.sources.data.listing import Lister, Listing, Request
from network_prune.sources.data.pictures import decode, refusing
from network_prune.sources.digests import Picture
from network_prune.sources.downloads import (
    check_reachable,
    datasets_cache,
    hub_cache,
    libraries_told,
)
from network_prune.sources.orientation import is_turned
from network_prune.sources.outputs import Outputs

_LOG = logging.getLogger(__name__)
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
# Taken where no split is named, the first that there is.
SPLITS = ("test", "validation", "valid", "val")


def list_hub(request: Request) -> Lister:
    """List the pictures of ``hf:DATASET`` or ``hf:FOLDER``, with ``:SPLIT`` at the end if asked.

    The image column is the one with the Image feature, the label column the
    one with class names, or the one named as in manifests, unless the request
    names them. Without a split, test or else validation is taken.

    Raises:
        SourceError: the extra isn't installed, or it can be no data set's name; by the
            lister, the folder isn't such a data set, or its split, columns or classes don't fit.
        RunError: by the lister, the data set must be downloaded and can't be.
    """
    spec = request.spec
    require("datasets", extra="datasets", what=spec)
    name, _ = _parse(spec)
    if not os.path.isdir(name) and _NAME.fullmatch(name) is None:
        raise SourceError(
            f"hf:{name} is neither a folder nor a data set's name; pass a folder that exists, or "
            "OWNER/NAME, either with :SPLIT if you like"
        )
    opened = cache(partial(_open, request))
    return lambda outputs, _: _list(opened(), request, outputs)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A part of a data set.

    Attributes:
        dataset: the part.
        image: its image column.
        undecoded: that column alone, of bytes and path.
        folders: where files that hold pictures may lie; none where all must be
            inside the data set itself.
        is_turned: whether its EXIF orientation turns the picture in a row.
    """

    dataset: Any
    image: str
    undecoded: Any
    folders: Sequence[str]
    is_turned: Callable[[int], bool]


def _open(request: Request) -> _Opened:
    import datasets

    spec = request.spec
    name, split = _parse(spec)
    folders: tuple[str, ...] = ()
    if os.path.isdir(name):
        dataset = _choose_split(_open_folder(name), split, spec)
    else:
        # Tables and unpacked archives lie in the first, single pictures in the second.
        folders = (str(datasets_cache()), hub_cache())
        dataset = _choose_split(_download(name, folders[0]), split, spec)
        _LOG.info("data: %s, kept in %s", spec, folders[0])
    image = _image_column(dataset.features, request.image_column, spec)
    undecoded = dataset.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    looked_at = cache(partial(_is_turned, _column(undecoded, image), folders))
    return _Opened(dataset, image, undecoded, folders, looked_at)


def _list(opened: _Opened, request: Request, outputs: Outputs) -> Listing:
    spec, dataset = request.spec, opened.dataset
    label = _label_column(dataset.features, request.label_column, outputs.count, spec)
    names: Any = getattr(dataset.features[label], "names", None)
    if names is None and dataset.features[label].dtype in ("string", "large_string"):
        counts = request.first_label is not None
        where = partial("{} row {}".format, spec)
        texts = list(dataset[label])
        labels, matched = number_labels(texts, outputs, where=where, column=label, counts=counts)
    else:
        labels, matched = _labels(dataset, label, spec), None
    if names is not None:
        where = f"{spec}, column {label},"
        matched = match_classes(names, outputs, where=where, order=request.class_order)
        _check_known(labels, len(names), spec)
        labels = np.array(matched.numbers, dtype=np.int64)[labels]
    return Listing(
        labels=labels,
        first_label=0 if matched is None else None,
        where=lambda position: f"{spec} row {position}",
        source=partial(read_row, opened.undecoded, opened.image, opened.folders, spec),
        content=_describe(opened.undecoded, opened.image),
        turns=True,
        is_turned=opened.is_turned,
        matched=matched,
    )


def read_row(
    dataset: Any, column: str, folders: Sequence[str], spec: str, position: int
) -> Picture:
    """Return a decoded picture of a data set.

    Args:
        dataset: its image column gives bytes and path, undecoded.
        column: that column.
        folders: where files that hold pictures may lie; none where all must be
            inside the data set itself.
        spec: what errors call the data set.
        position: row of the picture.

    Raises:
        SourceError: it isn't there, or it is damaged.
    """
    name = f"row {position} of {spec}"
    picture: Any = dataset[position][column] or {}
    if picture.get("bytes") is not None:
        return decode(io.BytesIO(picture["bytes"]), name=name)
    path = picture.get("path")
    if not _is_inside(path, folders):
        raise SourceError(f"cannot read image {name}: the data set doesn't hold it")
    return decode(path, name=name)


def _parse(spec: str) -> tuple[str, str | None]:
    name = spec.removeprefix("hf:")
    if os.path.isdir(name) or ":" not in name:
        return name, None
    name, _, split = name.rpartition(":")
    return name, split


def _open_folder(name: str) -> Any:
    import datasets

    with refusing(
        lambda error: (
            f"{name} isn't a data set that datasets saved with save_to_disk "
            f"({one_line(error, limit=100)})"
        )
    ):
        return datasets.load_from_disk(name)


def _download(name: str, folder: str) -> Any:
    from datasets import config

    what = f"the data set {shortened(name, 200)}"
    remedy = (
        f"fill the cache {folder} on a machine that is online, or save the data there with "
        "save_to_disk and pass hf:FOLDER"
    )
    # The library itself retries for most of a minute before it says that it is offline.
    try:
        if not config.HF_HUB_OFFLINE:
            check_reachable(f"{config.HF_ENDPOINT}/datasets/{name}", what, remedy)
    except RunError as unreachable:
        try:
            return _load(name, folder, what, remedy, offline=True)
        except NetworkPruneError:
            raise unreachable from None
    return _load(name, folder, what, remedy, offline=config.HF_HUB_OFFLINE)


def _load(name: str, folder: str, what: str, remedy: str, *, offline: bool) -> Any:
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        with _settings(offline=offline), libraries_told():
            return datasets.load_dataset(name, cache_dir=folder)
    except MemoryError:
        raise
    except (ConnectionError, OSError, DatasetsError) as error:
        raise RunError(f"can't download {what} ({one_line(error, limit=100)}); {remedy}") from error
    except Exception as error:
        raise SourceError(f"hf:{name} can't be loaded: {one_line(error)}") from error


@contextmanager
def _settings(*, offline: bool) -> Generator[None]:
    """Let the library take from its cache alone if ``offline``; no bars but on a terminal."""
    from datasets import config, utils

    before = config.HF_HUB_OFFLINE
    hide = not (sys.stderr.isatty() or utils.are_progress_bars_disabled())
    config.HF_HUB_OFFLINE = offline  # pyright: ignore[reportConstantRedefinition]
    if hide:
        utils.disable_progress_bars()
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before  # pyright: ignore[reportConstantRedefinition]
        if hide:
            utils.enable_progress_bars()


def _choose_split(found: Any, split: str | None, spec: str) -> Any:
    if not isinstance(found, dict):
        own = str(found.split) if found.split is not None else None
        if split not in (None, own):
            raise SourceError(
                f"{spec}: the folder holds one part alone ({own}); leave out :{split}"
            )
        return found
    splits: list[str] = list(found)
    if split is None:
        split = next((name for name in SPLITS if name in found), None)
        split = splits[0] if split is None and len(splits) == 1 else split
    if split not in found:
        asked = "no split is named" if split is None else f"there is no split {split!r}"
        raise SourceError(f"{spec}: {asked}; add one of :{', :'.join(splits)}")
    return found[split]


def _image_column(features: Any, asked: str | None, spec: str) -> str:
    import datasets

    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    if asked is not None and asked not in images:
        raise SourceError(f"{spec} has no image column {asked!r}; it has {_shown(images)}")
    wanted = IMAGE_COLUMNS if asked is None else (asked,)
    named = [name for name in wanted if name in images]
    if len(images) != 1 and not named:
        raise SourceError(
            f"{spec} has {len(images)} image columns ({_shown(images)}) among its columns "
            f"{_shown(features)}; pass image_column (--image-column)"
        )
    return (named or images)[0]


def _label_column(features: Any, asked: str | None, classes: int | None, spec: str) -> str:
    import datasets

    if asked is not None and asked not in features:
        raise SourceError(f"{spec} has no column {asked!r}; it has {_shown(features)}")
    wanted = LABEL_COLUMNS if asked is None else (asked,)
    named = [name for name in wanted if name in features]
    classed = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    fitting = [name for name in classed if features[name].num_classes == classes]
    for found in (named[:1], classed, fitting):
        if len(found) == 1:
            return found[0]
    raise SourceError(
        f"{spec} has no label column of its own name among its columns "
        f"{_shown(features)}; pass label_column (--label-column)"
    )


def _labels(dataset: Any, column: str, spec: str) -> np.ndarray:
    values: Any = dataset.with_format("numpy", columns=[column])[:][column]
    labels = np.asarray(values)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise SourceError(f"{spec}: column {column} holds {labels.dtype}, not whole numbers")
    return labels.astype(np.int64)


def _check_known(labels: np.ndarray, count: int, spec: str) -> None:
    wrong = (labels < 0) | (labels >= count)
    if wrong.any():
        row = int(wrong.argmax())
        raise SourceError(
            f"{spec} row {row}: label {labels[row]} is outside 0 to {count - 1}; "
            "this part may have no labels"
        )


def _is_turned(pictures: Any, folders: Sequence[str], position: int) -> bool:
    content, path = (pictures[position][field] for field in ("bytes", "path"))
    if content.is_valid:
        # Not Arrow's own files: they can't do all that Pillow's formats try.
        return is_turned(io.BytesIO(content.as_buffer()))
    return _is_inside(path.as_py(), folders) and is_turned(path.as_py())


def _column(dataset: Any, column: str) -> Any:
    """Return a column as Arrow holds it, without copying what is in the data set's files."""
    return dataset.with_format("arrow")[:].column(column)


def _describe(dataset: Any, column: str) -> bytes:
    """Return the number of bytes of each picture, undecoded, and its file's name."""
    import pyarrow.compute

    # Its functions are made when it is imported, so that type checkers can't know them.
    pc: Any = pyarrow.compute
    pictures = _column(dataset, column)
    sizes = pc.binary_length(pc.struct_field(pictures, "bytes")).to_pylist()
    paths = pc.struct_field(pictures, "path").to_pylist()
    lines = (
        f"{os.path.basename(path or '')}\t{size}" for path, size in zip(paths, sizes, strict=True)
    )
    return "\n".join(lines).encode(errors="surrogateescape")


def _is_inside(path: str | None, folders: Iterable[str]) -> bool:
    if not path:
        return False
    return any(Path(path).resolve().is_relative_to(Path(folder).resolve()) for folder in folders)


def _shown(names: Iterable[str]) -> str:
    return ", ".join(islice(names, 12)) or "none"
