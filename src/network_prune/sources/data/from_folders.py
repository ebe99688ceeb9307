"""Pictures in one folder a class."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from network_prune.errors import SourceError
from network_prune.sources.data.class_names import NUMBERS, Matched, match_classes
from network_prune.sources.data.from_ilsvrc import is_flat_validation, list_flat_validation
from network_prune.sources.data.listing import (
    IMAGE_SUFFIXES,
    Files,
    Lister,
    Listing,
    Request,
    count_by_suffix,
    may_be_picture,
    passed_over,
)
from network_prune.sources.outputs import Outputs

_PARTS = frozenset(("train", "training", "test", "testing", "valid", "validation", "eval"))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a class folder holds.

    Attributes:
        pictures: their paths below the folder of all classes, with forward slashes.
        passed_over: other files that may be pictures and aren't hidden, counted by suffix.
    """

    pictures: list[str]
    passed_over: Counter[str]


def list_class_folders(request: Request) -> Lister:
    """List the pictures in the class folders of a folder, or of the ``val`` folder in it.

    Folders that are called as the network's classes stand for these, and some may be
    absent. Other folders with whole numbers for names stand for these class numbers, and
    some may be absent. Folders with other names stand for the classes in the names'
    order, so there must be one for each class. Pictures may lie deeper
    inside. Hidden files and folders and files without a picture's suffix are passed
    over, as torchvision does; a note counts the latter, and a class folder must hold more
    than them. Links are followed, but not back into a folder that they lie in.
    The flat ILSVRC2012 validation folder is told by its files' names.

    The lister raises:
        SourceError: there are no class folders, no pictures in one that has files, or their
            number doesn't fit the network, or they are parts such as train and test.
        OSError: one of them can't be read.
    """
    root = Path(request.spec)
    if (root / "val").is_dir():
        root = root / "val"
    find = cache(partial(_pictures_in, root))

    def list_for(outputs: Outputs, _: object) -> Listing:
        if is_flat_validation(root):
            return list_flat_validation(root, outputs)
        return _list(root, find, outputs, request)

    return list_for


def _list(root: Path, find: Callable[[str], _Found], outputs: Outputs, request: Request) -> Listing:
    names = sorted(entry.name for entry in os.scandir(root) if _is_class_folder(entry))
    if not names:
        raise SourceError(f"no class folders in {root}{_manifest_hint(root)}")
    if _PARTS.issuperset(map(str.lower, names)):
        raise SourceError(
            f"{root} has no val folder, and {', '.join(names)} in it are parts of the data rather "
            f"than classes; pass one of them, e.g. {root / names[0]}"
        )
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    matched = _match(names, root, outputs, request)
    passed = Counter[str]()
    for name in names:
        passed.update(_check_seen(name, find(name), root))
    paths = [path for name in names for path in find(name).pictures]
    if not paths:
        raise SourceError(f"no pictures in the {len(names)} class folders of {root}")
    counts = [len(find(name).pictures) for name in names]
    return Listing(
        labels=np.repeat(np.array(matched.numbers, dtype=np.int64), counts),
        first_label=0 if matched.by == NUMBERS else None,
        where=lambda position: f"folder {paths[position].partition('/')[0]} of {root}",
        source=Files(root, paths),
        matched=matched,
        notes=passed_over(passed, f"the class folders of {root}"),
    )


def _match(names: list[str], root: Path, outputs: Outputs, request: Request) -> Matched:
    order, are_numbers = request.class_order, all(name.isdecimal() for name in names)
    if are_numbers and order is None:
        numbers = _by_number(names, root)
        if request.first_label is not None:
            return Matched(numbers, NUMBERS)
        if not outputs.names_any(names):
            notes = () if outputs.names else _other_order(names, outputs, root)
            return Matched(numbers, NUMBERS, notes)
    last = None if outputs.count is None else outputs.count - 1
    hint = f", or some folders named by class number, 0 to {last}{_manifest_hint(root)}"
    return match_classes(
        names, outputs, where=str(root), order=order, kind="class folders", hint=hint
    )


def _other_order(names: list[str], outputs: Outputs, root: Path) -> tuple[str, ...]:
    """Return a note if torchvision's ImageFolder would number the folders otherwise."""
    as_text = sorted(names)
    if as_text == names or len(names) != outputs.count:
        return ()
    return (
        f"the class folders of {root} stand for their numbers; torchvision's ImageFolder counts "
        f"them in the order of their names as text ({', '.join(as_text[:4])}, …): if the network "
        "was trained on that, pass class_order='text' (--class-order text), else 'data'",
    )


def _check_seen(name: str, found: _Found, root: Path) -> Counter[str]:
    """Return how many files are passed over, unless the class would vanish by that."""
    if found.passed_over and not found.pictures:
        raise SourceError(
            f"class folder {name} of {root} has only files that are passed over by their names "
            f"({count_by_suffix(found.passed_over)}); rename those that are pictures, list them in "
            "a manifest, or remove the folder"
        )
    return found.passed_over


def _is_class_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir() and not entry.name.startswith((".", "__"))


def _by_number(names: list[str], root: Path) -> list[int]:
    numbers = [int(name) for name in names]
    number, count = Counter(numbers).most_common(1)[0]
    if count > 1:
        raise SourceError(f"{root} has more than one folder for class {number}; join them")
    return numbers


def _pictures_in(root: Path, name: str) -> _Found:
    found: list[str] = []
    passed = Counter[str]()
    for folder, inner, files in os.walk(root / name, onerror=_refuse, followlinks=True):
        inner[:] = [one for one in inner if one[0] != "." and not _leads_back(folder, one)]
        inside = Path(folder).relative_to(root).as_posix()
        suffixes = {file: _suffix(file) for file in files if not file.startswith(".")}
        found += [
            f"{inside}/{file}" for file, suffix in suffixes.items() if suffix in IMAGE_SUFFIXES
        ]
        others = (suffix for suffix in suffixes.values() if suffix not in IMAGE_SUFFIXES)
        passed.update(filter(may_be_picture, others))
    return _Found(sorted(found), passed)


def _refuse(error: OSError) -> None:
    """Raise what os.walk would pass over: a class without its pictures gives other figures."""
    raise error


def _leads_back(folder: str, name: str) -> bool:
    """Return whether ``name`` in ``folder`` is a link to a folder on the way to it."""
    path = Path(folder, name)
    if not path.is_symlink():
        return False
    target = path.resolve()
    return any(above.resolve().is_relative_to(target) for above in path.parents)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _manifest_hint(root: Path) -> str:
    manifest = next(iter(sorted(root.glob("*.csv"))), None)
    return f", or the manifest {manifest}" if manifest else ", or a manifest csv"
