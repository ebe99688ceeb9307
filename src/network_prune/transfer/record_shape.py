"""What every record of a transfer run holds: names with the kinds of their values."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from network_prune.option_checks import LARGEST
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.kinds import Amount, Count, Flat, Interval, Seed, check, look_at
from network_prune.transfer.attack.settings import Goal
from network_prune.transfer.figures.sets import BOUND, FOLDER

_Each = TypeVar("_Each")
_Some = Annotated[list[_Each], Meta(min_length=1)]


class _Network(Struct):
    """A surrogate or victim.

    Attributes:
        name: as for ``--surrogate`` and ``--victim``.
        weights: their name or file.
        weights_sha256: SHA-256 (hex) of the state's names, dtypes, shapes and bytes.
        classes (whole number): how many outputs it has.
        made (object): of a packed file alone: how it was made.
        preprocessing: what is done to the pixels before it sees them.
    """

    name: str
    weights: str
    weights_sha256: str
    preprocessing: Flat


class _Images(Struct):
    """The clean images.

    Attributes:
        name: as for ``--data``.
        n: how many there are.
        identity: SHA-256 (hex) over labels, files' relative paths and sizes; of pictures in
            memory over their bytes.
        images: as identity, without the labels.
        size: pixels a side while they are attacked.
        channels: of a picture.
        targets: where targets come from; none for untargeted attacks.
        targets_sha256: SHA-256 (hex) of the targets; null without any.
        asked: options of the data by name.
    """

    name: str
    identity: str
    n: Count
    size: Count
    channels: Count
    targets: str | None
    targets_sha256: str | None
    asked: Flat
    images: str | None = None


class _Attack(Struct):
    """How the images were made; what isn't known of somebody else's attack is null.

    Attributes:
        by: what ran it: this program, another library's attack, or the folder that it wrote.
        goal: what an image was to be taken for: a class chosen before, or any wrong one.
        epsilon: the bound of a pixel's change, as a share of its range.
        step: what one iteration changes a pixel by, likewise.
        loss: what was followed: cross-entropy or logit.
        momentum: what share of the sum of earlier gradients goes on; 0 for none.
        normalise (true or false): whether an image's gradient is divided by its mean absolute
            value first.
        diversity: probability that an iteration's images are shrunk into a larger frame.
        diversity_scale (number): the frame's side as a multiple of the images'.
        translation: side of the kernel that gradients are smoothed by; 0 or 1 for none.
        scales: copies of the images, each half as bright, that a gradient is the mean over.
    """

    goal: Goal
    epsilon: Amount
    step: Amount | None
    momentum: Amount | None
    diversity: Amount | None
    translation: Count | None
    scales: Count | None
    loss: str | None
    by: str


class _Distance(Struct):
    """How far images were moved, as shares of a pixel's range.

    Attributes:
        linf: the greatest change of any pixel of any image.
        l2: the mean over images of the change's Euclidean length.
        l2_interval: its 95% interval, by the normal approximation.
    """

    linf: Amount
    l2: Amount
    l2_interval: Interval


class _Point(Struct):
    """When images were tried.

    Attributes:
        iteration: after how many iterations.
        passes: after how many passes of an image.
    """

    iteration: Count | None
    passes: Count | None


class _Record(Struct):
    """A row of a transfer run.

    Attributes:
        kind: ``transfer``.
        surrogates: what images were made on.
        victims: what they were tried on beside.
        images: which images.
        augmentation: name and settings of what was done to surrogates before each gradient; for
            a bound, the networks beside them; for a folder, what it holds.
        goal: as of the attack.
        seed: of all that is random.
        attack: how images were made.
        iterations: how many there were; null where nobody knows.
        passes: forward and backward passes of an image through a network, in all.
        passes_per_iteration: of these, in one iteration.
        points: when images were tried; the last one is the end.
        running: batch size and device.
        seconds: wall time of the attack.
        seconds_drawing: of these, for drawing masks.
        ratios: what each surrogate's pruning came to.
        distance: how far images were moved.
        predictions: name of what ``outcomes.jsonl`` keeps of it: each network's class of each
            image, clean, at each point, and in 8 bits.
        pictures: name of what it keeps of the images: their names and classes.
        versions: of the program, Python and the libraries that decide figures.
        read: hash over what the images were read from.
    """

    kind: str
    surrogates: _Some[_Network]
    victims: list[_Network]
    images: _Images
    goal: Goal
    attack: _Attack
    augmentation: dict[str, Any]
    seed: Seed
    running: Flat
    points: _Some[_Point]
    iterations: Count | None
    passes: Count | None
    passes_per_iteration: Amount | None
    seconds: Amount | None
    seconds_drawing: Amount | None
    distance: _Distance
    predictions: str
    pictures: str
    versions: dict[str, str | None]
    read: dict[str, str | None] | None = None
    ratios: list[Flat] = []


class _Augmentation(Struct):
    name: str
    networks: list[str] = []
    folder: str | None = None


class _Bound(Struct):
    """Beside a surrogate's draws, other networks as they are."""

    networks: list[str]
    weights_sha256: list[str]
    preprocessing: list[Flat]


def check_shape(record: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        DamageError: what it says of its networks or points contradicts itself.
    """
    found = look_at(record, _Record)
    look_at(record["attack"], Flat)
    check(found.attack.goal == found.goal)
    check(found.seed <= LARGEST)
    is_folder = _check_augmentation(record["augmentation"])
    _check_costs(found, is_known=not is_folder)


def _check_augmentation(settings: dict[str, Any]) -> bool:
    """Raise unless an augmentation's settings are such; return whether it is a folder's images."""
    found = look_at(settings, _Augmentation)
    if found.name == BOUND:
        bound = look_at(settings, _Bound)
        if len(bound.networks) != len(bound.weights_sha256):
            raise DamageError("it has more networks beside its surrogates than weights")
        return False
    look_at(settings, Flat)
    is_folder = found.name == FOLDER
    check(not is_folder or found.folder is not None)
    return is_folder


def _check_costs(record: _Record, *, is_known: bool) -> None:
    """Check what an attack cost, which nobody knows of images that another one wrote."""
    costs = (record.iterations, record.passes, record.passes_per_iteration)
    each = [(point.iteration, point.passes) for point in record.points]
    for values in (costs, *each):
        check(all((value is not None) == is_known for value in values))
    if each[-1] != costs[:2]:
        raise DamageError("its points don't end where it does")
