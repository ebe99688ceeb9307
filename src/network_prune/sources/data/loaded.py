"""Labelled pictures as a network takes them, and what they are."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from network_prune.errors import ArgumentError, SourceError
from network_prune.options import OPTIONS, check_options
from network_prune.sources.data.class_names import NUMBERS
from network_prune.sources.data.listing import Files, Lister, Listing, Request
from network_prune.sources.data.pictures import (
    Batches,
    LabelledImages,
    Sample,
    Transform,
    make_loader,
    read_file,
    read_turned,
)
from network_prune.sources.downloads import cache_in
from network_prune.sources.imagenet import IMAGENET_CLASSES
from network_prune.sources.outputs import Outputs

# Looking at each of a million files would take longer than all the rest of loading.
SIZES_LOOKED_AT = 10_000
_UNKNOWN = Outputs()


@dataclass(frozen=True, slots=True)
class LoadedData:
    """Labelled pictures, and what they are.

    Attributes:
        dataset: gives (picture, class number from 0); raises SourceError for a
            picture that can't be read. ``pictures.Guarded`` and ``pictures.collate``
            make batches of it that tell such pictures apart.
        name: the data as it was asked for.
        n: number of pictures.
        identity: SHA-256 over the labels and, in order, the files' relative
            paths and the sizes in bytes of at most 10 000 of them, evenly
            spread; for pictures in memory over their bytes, for those inside other
            files over their names and sizes.
        images: as ``identity``, without the labels: the same for every network.
        in_files: whether the pictures are to be decoded, which worker processes do faster.
        names: the files' paths below their folder; empty for pictures that have no files.
        classes_by: what classes are matched with the network's outputs by, for people.
        outputs: the network's outputs that alone are in the running; None for all.
        notes: what to know about pictures and labels, for people.
        targets: the class numbers that the pictures are to be taken for, int64 ``[n]``, where
            the request asks for them and the data has any.
        targets_by: the column of targets, for people.
    """

    dataset: Dataset[Sample]
    name: str
    n: int
    identity: str
    images: str
    in_files: bool
    names: Sequence[str] = ()
    classes_by: str = NUMBERS
    outputs: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    targets: np.ndarray | None = None
    targets_by: str = ""

    @property
    def pictures(self) -> LabelledImages:
        """The dataset, which `load_data` makes of this kind."""
        assert isinstance(self.dataset, LabelledImages)
        return self.dataset

    @property
    def labels(self) -> np.ndarray:
        """The class numbers from 0, int64 ``[n]``."""
        return self.pictures.labels

    def sizes(self, limit: int) -> list[tuple[int, int]]:
        """Return width and height of at most ``limit`` pictures, evenly spread over all of them.

        Pictures that can't be read are left out.
        """
        if not isinstance(self.dataset, LabelledImages):
            return []
        found: list[tuple[int, int]] = []
        for index in spread(self.n, limit).tolist():
            with suppress(SourceError):
                found.append(self.dataset.picture(index).image.size)
        return found

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the pictures in `batches`."""
        return iter(self.batches())

    def batches(
        self,
        batch_size: int = OPTIONS["batch_size"].default,
        *,
        limit: int | None = None,
        workers: int | None = None,
        skip_unreadable: bool = False,
    ) -> Batches:
        """Return the pictures as batches (images ``[n, C, H, W]``, class numbers ``[n]``).

        They may be gone through any number of times.

        Args:
            batch_size: images a batch.
            limit: take only so many pictures, evenly spread over all of them.
            workers: processes that decode images; None takes one a core for images in
                files and none otherwise.
            skip_unreadable: leave images out that can't be read, instead of raising.

        Raises:
            ArgumentError: a value is outside what is allowed.
        """
        (limit,) = check_options(limit=limit)
        loader = make_loader(
            self.pictures.at(spread(self.n, limit)),
            batch_size=batch_size,
            workers=workers,
            in_files=self.in_files,
        )
        return Batches(loader, skip_unreadable, self.outputs)


@dataclass(frozen=True, slots=True)
class ListedData:
    """Labelled pictures, read as far as all networks have it in common; decodes none of them.

    Attributes:
        request: what was asked for.
        lister: lists the pictures for a network.
    """

    request: Request
    lister: Lister

    def bind(
        self, *, outputs: Outputs = _UNKNOWN, transform: Transform | None = None
    ) -> LoadedData:
        """Return the pictures for a network with ``outputs``, to go through ``transform``.

        Raises:
            NetworkPruneError: as `load_data` says.
        """
        request = self.request
        with cache_in(request.cache_dir), readable(request.spec):
            listing = self.lister(outputs, transform)
        if not len(listing.labels):
            raise SourceError("; ".join([f"{request.spec} lists no pictures", *listing.notes]))
        first = _first_label(listing, request)
        labels = _count_from(first, listing, outputs)
        targets = _targets(labels, first, listing, outputs)
        judged = _judged(labels, first, listing) if request.only_data_classes else None
        positions = spread(len(labels), request.limit)
        labels = labels[positions]
        source, content, notes = listing.source, listing.content, _notes(listing, request, outputs)
        is_turned, names, paths = listing.is_turned, (), ()
        if isinstance(source, Files):
            paths = source.paths
            names = [paths[position] for position in positions.tolist()]
            content = _describe_files(source, positions, listing, request)
            is_turned = source.is_turned
            source = partial(read_file, os.fspath(source.root), paths)
        if _turns(listing, request.exif):
            source = partial(read_turned, source)
            turned, note = _describe_turned(positions, is_turned)
            content, notes = content + turned, (*notes, *note)
        images = (_int64(positions), content)
        asked = () if judged is None else (_int64(judged),)
        return LoadedData(
            dataset=LabelledImages(source, labels, positions, transform, judged, paths),
            name=request.spec,
            n=len(labels),
            identity=_identify(_int64(labels), *images, *asked),
            images=_identify(*images),
            names=names,
            in_files=not listing.decoded,
            classes_by=_classes_by(listing),
            outputs=judged,
            notes=notes,
            targets=None if targets is None else targets[positions],
            targets_by=listing.targets_by,
        )


@contextmanager
def readable(spec: str) -> Generator[None]:
    """Refuse what the system can't read; the error calls it ``spec``."""
    try:
        yield
    except OSError as error:
        raise SourceError(f"{spec} can't be read: {error.strerror or error}") from error


def _first_label(listing: Listing, request: Request) -> int:
    asked = request.first_label
    if asked is None:
        return listing.first_label or 0
    if listing.first_label is None:
        raise ArgumentError(
            f"first_label={asked} (--first-label) has no meaning for {request.spec}; leave it out"
        )
    return asked


def _targets(
    labels: np.ndarray, first: int, listing: Listing, outputs: Outputs
) -> np.ndarray | None:
    """Return the targets counted from 0, int64 [n], after checking each of them."""
    if listing.targets is None:
        return None
    targets = _count_from(first, replace(listing, labels=listing.targets), outputs, "target")
    same = targets == labels
    if same.any():
        position = int(same.argmax())
        raise SourceError(
            f"{listing.where(position)}: target {listing.targets[position]} is the true class; "
            "pass another class, or remove the row"
        )
    return targets


def _count_from(first: int, listing: Listing, outputs: Outputs, kind: str = "label") -> np.ndarray:
    """Return the labels counted from 0, int64 [n], after checking each of them."""
    classes = outputs.count
    labels = listing.labels - first
    wrong = labels < 0 if classes is None else (labels < 0) | (labels >= classes)
    if not wrong.any():
        return labels
    position = int(wrong.argmax())
    allowed = f"{first} and above" if classes is None else f"{first} to {first + classes - 1}"
    lowest, highest = int(listing.labels.min()), int(listing.labels.max())
    hint = "pass data of the network's classes"
    for base in (0, 1):
        if base != first and lowest >= base and classes and highest - base < classes:
            hint = f"the {kind}s look {base}-based: pass first_label={base} (--first-label {base})"
    raise SourceError(
        f"{listing.where(position)}: {kind} {listing.labels[position]} is outside {allowed}; {hint}"
    )


def _judged(labels: np.ndarray, first: int, listing: Listing) -> tuple[int, ...]:
    """Return the outputs that the data's classes stand for, in order."""
    numbers = labels if listing.matched is None else np.array(listing.matched.numbers) - first
    return tuple(np.unique(numbers).tolist())


def _classes_by(listing: Listing) -> str:
    return NUMBERS if listing.matched is None else listing.matched.by


def _notes(listing: Listing, request: Request, outputs: Outputs) -> tuple[str, ...]:
    notes = listing.notes + (() if listing.matched is None else listing.matched.notes)
    are_numbers = listing.first_label is not None and _classes_by(listing) == NUMBERS
    has_background = outputs.count == IMAGENET_CLASSES + 1
    if has_background and are_numbers and request.first_label is None:
        notes += (
            f"{request.spec}: labels are taken for the numbers of {outputs.count} outputs, of "
            "which the first is the background as a rule; if they count ImageNet's classes from "
            "0, pass first_label=-1 (--first-label -1), else 0",
        )
    return notes


def spread(n: int, limit: int | None) -> np.ndarray:
    """Return at most ``limit`` positions, evenly spread over ``range(n)``, int64."""
    count = n if limit is None else min(n, limit)
    return np.arange(count, dtype=np.int64) * n // count


def _describe_files(
    files: Files, positions: np.ndarray, listing: Listing, request: Request
) -> bytes:
    """Return paths and some sizes of the files at ``positions``, one a line.

    Raises:
        SourceError: one of the files looked at is missing.
    """
    lines = [files.paths[position] for position in positions.tolist()]
    root = os.fspath(files.root)
    for index in spread(len(lines), SIZES_LOOKED_AT).tolist():
        try:
            size = os.stat(os.path.join(root, lines[index])).st_size
        except OSError as error:
            if not request.skip_unreadable:
                place = listing.where(int(positions[index]))
                raise SourceError(
                    f"{place}: no image {lines[index]} in {root}; "
                    "remove the row or pass skip_unreadable (--skip-unreadable)"
                ) from error
            size = -1
        lines[index] += f"\t{size}"
    return "\n".join(lines).encode(errors="surrogateescape")


def _turns(listing: Listing, exif: str) -> bool:
    return not listing.decoded and (exif == "turn" or (exif == "source" and listing.turns))


def _describe_turned(
    positions: np.ndarray, is_turned: Callable[[int], bool] | None
) -> tuple[bytes, list[str]]:
    """Return what the identity and the notes gain by turning: nothing, if no picture is turned."""
    mark = b"\nturned by EXIF"
    if is_turned is None:
        return mark, []
    count = sum(map(is_turned, positions.tolist()))
    note = (
        f"images turned as their EXIF orientation says: {count} of {len(positions)}; "
        "exif='ignore' (--exif ignore) leaves them as they are"
    )
    return (mark, [note]) if count else (b"", [])


def _identify(*parts: bytes) -> str:
    """Return the SHA-256 (hex) of the parts with their lengths."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _int64(numbers: np.ndarray | Sequence[int]) -> bytes:
    return np.asarray(numbers, dtype="<i8").tobytes()
