"""Labelled pictures by name: what ``--data`` means."""

import hashlib
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset, Subset

from network_prune.errors import ArgumentError, SourceError
from network_prune.options import OPTIONS, check_options
from network_prune.sources import digits
from network_prune.sources.data.class_names import NUMBERS, check_class_count
from network_prune.sources.data.from_arrays import list_arrays
from network_prune.sources.data.from_folders import list_class_folders
from network_prune.sources.data.from_hub import list_hub
from network_prune.sources.data.from_manifest import SUFFIXES, list_manifest
from network_prune.sources.data.from_noise import list_fake
from network_prune.sources.data.from_shards import list_shards
from network_prune.sources.data.from_torchvision import list_torchvision
from network_prune.sources.data.listing import Files, Lister, Listing, Request
from network_prune.sources.data.pictures import (
    Batches,
    LabelledImages,
    Sample,
    Transform,
    make_loader,
    read_array,
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
        in_files: whether the pictures are to be decoded, which worker processes do faster.
        classes_by: what classes are matched with the network's outputs by, for people.
        outputs: the network's outputs that alone are in the running; None for all.
        notes: what to know about pictures and labels, for people.
    """

    dataset: Dataset[Sample]
    name: str
    n: int
    identity: str
    in_files: bool
    classes_by: str = NUMBERS
    outputs: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()

    def sizes(self, limit: int) -> list[tuple[int, int]]:
        """Return width and height of at most ``limit`` pictures, evenly spread over all of them.

        Pictures that can't be read are left out.
        """
        if not isinstance(self.dataset, LabelledImages):
            return []
        found: list[tuple[int, int]] = []
        for index in _spread(self.n, limit).tolist():
            with suppress(SourceError):
                found.append(self.dataset.picture(index).size)
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
        check_options(limit=limit)
        dataset = self.dataset
        if limit is not None:
            dataset = Subset(dataset, _spread(self.n, limit).tolist())
        loader = make_loader(
            dataset, batch_size=batch_size, workers=workers, in_files=self.in_files
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
        with cache_in(request.cache_dir), _readable(request.spec):
            listing = self.lister(outputs, transform)
        if not len(listing.labels):
            raise SourceError("; ".join([f"{request.spec} lists no pictures", *listing.notes]))
        first = _first_label(listing, request)
        labels = _count_from(first, listing, outputs)
        judged = _judged(labels, first, listing) if request.only_data_classes else None
        positions = _spread(len(labels), request.limit)
        labels = labels[positions]
        source, content, notes = listing.source, listing.content, _notes(listing, request, outputs)
        is_turned = listing.is_turned
        if isinstance(source, Files):
            content = _describe_files(source, positions, listing, request)
            is_turned = source.is_turned
            source = partial(read_file, os.fspath(source.root), source.paths)
        if _turns(listing, request.exif):
            source = partial(read_turned, source)
            turned, note = _describe_turned(positions, is_turned)
            content, notes = content + turned, (*notes, *note)
        return LoadedData(
            dataset=LabelledImages(source, labels, positions, transform, judged),
            name=request.spec,
            n=len(labels),
            identity=_identify(labels, positions, content, judged),
            in_files=not listing.decoded,
            classes_by=_classes_by(listing),
            outputs=judged,
            notes=notes,
        )


@dataclass(frozen=True, slots=True)
class Form:
    """One way to name data.

    Attributes:
        shown: how errors and help show it.
        accepts: whether a name is of this form.
        list: finds out in a moment, without a network, what would be refused for all, and
            returns what lists the pictures for one; raises SourceError.
        options: the options of `load_data` that mean something to this form.
    """

    shown: str
    accepts: Callable[[str], bool]
    list: Callable[[Request], Lister]
    options: tuple[str, ...] = ()


def _list_digits(request: Request) -> Lister:
    pixels, labels = digits.read_digits(held_out=True)
    listing = Listing(
        labels=labels,
        first_label=None,
        where=lambda position: f"{request.spec} picture {position}",
        source=partial(read_array, pixels),
        content=pixels.tobytes(),
        decoded=True,
    )

    def list_for(outputs: Outputs, _: object) -> Listing:
        check_class_count(
            digits.CLASSES,
            outputs,
            what=f"{request.spec} are pictures of",
            instead=", or fake:64 to try it out",
        )
        return listing

    return list_for


def _ends(*suffixes: str) -> Callable[[str], bool]:
    return lambda spec: spec.lower().endswith(suffixes)


def _starts(prefix: str) -> Callable[[str], bool]:
    return lambda spec: spec.startswith(prefix)


_COLUMNS = ("image_column", "label_column")
_ORDER, _EXIF = "class_order", "exif"
_OPTIONS = {
    "root": "--data-root",
    "image_column": "--image-column",
    "label_column": "--label-column",
    "class_order": "--class-order",
    "exif": "--exif",
}

# The first form that accepts a name lists it.
FORMS: tuple[Form, ...] = (
    Form("digits", lambda spec: spec == "digits", _list_digits),
    Form("fake:N", _starts("fake:"), list_fake),
    Form(
        "torchvision:NAME:FOLDER",
        _starts("torchvision:"),
        list_torchvision,
        ("root", _ORDER, _EXIF),
    ),
    Form("hf:DATASET:SPLIT", _starts("hf:"), list_hub, (*_COLUMNS, _ORDER, _EXIF)),
    Form("wds:SHARDS.tar", _starts("wds:"), list_shards, (*_COLUMNS, _EXIF)),
    Form("a folder of class folders", os.path.isdir, list_class_folders, (_ORDER, _EXIF)),
    Form(
        "a manifest csv, tsv or parquet",
        _ends(*SUFFIXES),
        list_manifest,
        ("root", *_COLUMNS, _EXIF),
    ),
    Form("a file npz", _ends(".npz"), list_arrays, _COLUMNS),
    Form("a file tar", _ends(".tar"), list_shards, (*_COLUMNS, _EXIF)),
)


def load_data(
    spec: str = "digits",
    *,
    transform: Transform | None = None,
    classes: int | Sequence[str] | None = None,
    first_label: int | None = None,
    limit: int | None = None,
    skip_unreadable: bool = False,
    root: str | os.PathLike[str] | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    class_order: str | None = None,
    only_data_classes: bool = False,
    exif: str = OPTIONS["exif"].default,
) -> LoadedData:
    """Return the labelled pictures that ``spec`` names; decodes none of them.

    Args:
        spec: ``digits`` (embedded, held-out part); ``fake:N``; a folder of class
            folders, numbered, named by ImageNet's synsets or one for each class, or
            one with ``val/`` in it; the flat ILSVRC2012 validation folder with its
            development kit beside it; a manifest csv, tsv or parquet;
            ``torchvision:NAME:FOLDER``, e.g. CIFAR10; ``hf:DATASET:SPLIT`` or
            ``hf:FOLDER:SPLIT``; ``wds:shard-{000..015}.tar`` or one tar file; an npz file.
        transform: PIL image to tensor, as a rule
            ``network.preprocessing.transform()``; None gives PIL images in RGB.
        classes: number of the network's outputs, which labels are checked against, or
            their names, which the data's classes are matched with; None checks nothing.
        first_label: number that the network's first output has in a manifest or among
            numbered folders; by default 0, and 1 in the ImageNet-compatible set; -1 where
            labels start at 0 and the network at its background.
        limit: take only so many pictures, evenly spread over all of them, so
            that data in the order of its classes keeps all its classes.
        skip_unreadable: don't look for missing files now, since they will be
            left out when they are read.
        root: for a manifest the folder that its paths are relative to and stay
            in, by default its own; for ``torchvision:NAME`` the folder of the data.
        image_column: name of the manifest's or data set's column with the images,
            of the npz file's array, or suffix of the shards' files, e.g. ``jpg``.
        label_column: the same for the labels.
        cache_dir: folder that downloads go to and are looked for in, instead of
            torch's and the hub's own: ``huggingface/datasets`` in it for ``hf:``.
        class_order: ``data`` to take the data's classes in their order for the outputs in
            theirs, whatever both are called, ``text`` to take them in the order of their
            names as text, as torchvision's ImageFolder does; by default they are matched
            by name as far as both sides have names.
        only_data_classes: leave outputs that the data has no class for out of the
            running, as for ImageNet-A and -R.
        exif: ``turn`` pictures as their EXIF orientation says, ``ignore`` it, or do as
            the ``source``'s own library: datasets turns, torchvision and webdataset don't.
            Pillow turns TIFF files in any case.

    Raises:
        SourceError: the data can't be read as what it is named, it is empty, or
            a label is outside the network's classes.
        ArgumentError: ``limit`` is below 1, or an option has no meaning here.
        RunError: the data must be downloaded and can't be.
    """
    request = Request(
        spec=spec,
        first_label=first_label,
        limit=limit,
        skip_unreadable=skip_unreadable,
        root=None if root is None else os.fspath(root),
        image_column=image_column,
        label_column=label_column,
        cache_dir=cache_dir,
        class_order=class_order,
        only_data_classes=only_data_classes,
        exif=exif,
    )
    data = list_data(request).bind(outputs=Outputs.of(classes), transform=transform)
    for note in data.notes:
        warnings.warn(note, stacklevel=2)
    return data


def list_data(request: Request) -> ListedData:
    """Return pictures to be bound to each network of a run; tells what would be refused for all.

    Big data isn't looked into before it is bound, so it may still be refused.

    Raises:
        SourceError: the data doesn't exist or can't be read as what it is named.
        ArgumentError: ``limit`` is below 1, or an option has no meaning here.
    """
    form = _find_form(request.spec)
    check_options(limit=request.limit, class_order=request.class_order, exif=request.exif)
    usual = Request(spec=request.spec)
    for name, flag in _OPTIONS.items():
        value = getattr(request, name)
        if value != getattr(usual, name) and name not in form.options:
            raise ArgumentError(
                f"{name}={value!r} ({flag}) has no meaning for {request.spec}; leave it out"
            )
    with _readable(request.spec):
        return ListedData(request, form.list(request))


def same_form(spec: str, other: str) -> bool:
    """Return whether two names of data are of one form, so that the same options fit both.

    Raises:
        SourceError: one of them is of no form.
    """
    return _find_form(spec) is _find_form(other)


@contextmanager
def _readable(spec: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{spec} can't be read: {error.strerror or error}") from error


def _find_form(spec: str) -> Form:
    form = next((form for form in FORMS if form.accepts(spec)), None)
    if form is None:
        shown = ", ".join(form.shown for form in FORMS)
        what = "is a file of another kind" if os.path.exists(spec) else "doesn't exist"
        raise SourceError(f"data {spec!r} {what}; pass one of: {shown}")
    return form


def _first_label(listing: Listing, request: Request) -> int:
    asked = request.first_label
    if asked is None:
        return listing.first_label or 0
    if listing.first_label is None:
        raise ArgumentError(
            f"first_label={asked} (--first-label) has no meaning for {request.spec}; leave it out"
        )
    return asked


def _count_from(first: int, listing: Listing, outputs: Outputs) -> np.ndarray:
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
            hint = f"the labels look {base}-based: pass first_label={base} (--first-label {base})"
    raise SourceError(
        f"{listing.where(position)}: label {listing.labels[position]} is outside {allowed}; {hint}"
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


def _spread(n: int, limit: int | None) -> np.ndarray:
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
    for index in _spread(len(lines), SIZES_LOOKED_AT).tolist():
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


def _identify(
    labels: np.ndarray, positions: np.ndarray, content: bytes, judged: tuple[int, ...] | None
) -> str:
    digest = hashlib.sha256()
    parts = [labels.astype("<i8").tobytes(), positions.astype("<i8").tobytes(), content]
    if judged is not None:
        parts.append(np.array(judged, dtype="<i8").tobytes())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
