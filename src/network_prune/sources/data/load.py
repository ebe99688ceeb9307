"""Labelled pictures by name: what ``--data`` means."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from network_prune.display.text import warn
from network_prune.errors import ArgumentError, SourceError, brief
from network_prune.option_checks import text
from network_prune.options import OPTIONS, check_options
from network_prune.sources.data.class_names import check_class_count
from network_prune.sources.data.from_arrays import list_arrays
from network_prune.sources.data.from_folders import list_class_folders
from network_prune.sources.data.from_hub import list_hub
from network_prune.sources.data.from_manifest import SUFFIXES, list_manifest
from network_prune.sources.data.from_noise import list_fake
from network_prune.sources.data.from_shards import list_shards
from network_prune.sources.data.from_torchvision import list_torchvision
from network_prune.sources.data.listing import Lister, Listing, Request
from network_prune.sources.data.loaded import ListedData, LoadedData, readable
from network_prune.sources.data.pictures import (
    Transform,
    read_array,
)
from network_prune.sources.digits.names import DIGITS, TRAINING_DIGITS
from network_prune.sources.digits.pictures import CLASSES, read_digits
from network_prune.sources.outputs import Outputs


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
    pixels, labels = read_digits(held_out=request.spec == DIGITS)
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
            CLASSES,
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
    "target_column": "--target-column",
    "class_order": "--class-order",
    "exif": "--exif",
}

# The first form that accepts a name lists it.
FORMS: tuple[Form, ...] = (
    Form("digits, digits:train", lambda spec: spec in (DIGITS, TRAINING_DIGITS), _list_digits),
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
        ("root", *_COLUMNS, "target_column", _EXIF),
    ),
    Form("a file npz", _ends(".npz"), list_arrays, _COLUMNS),
    Form("a file tar", _ends(".tar"), list_shards, (*_COLUMNS, _EXIF)),
)


def load_data(
    spec: str | os.PathLike[str] = "digits",
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
        spec: ``digits`` (embedded, held-out part) or ``digits:train`` (what the embedded
            networks are trained on); ``fake:N``; a folder of class
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
        spec=text("spec", spec),
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
    warn(data.notes, stacklevel=2)
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
    with readable(request.spec):
        return ListedData(request, form.list(request))


def same_form(spec: str, other: str) -> bool:
    """Return whether two names of data are of one form, so that the same options fit both.

    Raises:
        SourceError: one of them is of no form.
    """
    return _find_form(spec) is _find_form(other)


def _find_form(spec: str) -> Form:
    form = next((form for form in FORMS if form.accepts(spec)), None)
    if form is None:
        shown = ", ".join(form.shown for form in FORMS)
        what = "is a file of another kind" if os.path.exists(spec) else "doesn't exist"
        raise SourceError(f"data {brief(spec)} {what}; pass one of: {shown}")
    return form
