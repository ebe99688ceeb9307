"""What every record holds: names with the kinds of their values."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.json import Decoder

from network_prune.errors import SourceError, brief
from network_prune.evaluation.variant import LATER
from network_prune.option_checks import LARGEST
from network_prune.options import DECIDING, OPTIONS
from network_prune.results.lines.checksum import DamageError
from network_prune.results.lines.kinds import (
    Count,
    Entry,
    Figure,
    Flat,
    Interval,
    Plain,
    Seed,
    check,
    look_at,
)

_KNOWN: Final = {*OPTIONS, *LATER}
Variant = dict[str, Any] | None
# Of a sum of losses, a nat.
_UNITS: Final = 2**32


class _Origin(Struct):
    """The network that a packed file's was made from.

    Attributes:
        arch: its name, as for ``--arch``.
        weights_sha256: SHA-256 (hex) of its weights.
        root_sha256: SHA-256 (hex) of the weights that the first of all stages began with, which
            is no packed file.
        parameters: how many numbers its parameters are.
    """

    arch: str
    weights_sha256: str
    root_sha256: str
    parameters: Count


class _Made(Struct):
    """How the network of a packed file was made.

    Attributes:
        stage: what made it, such as pruned, recalibrated, retrained or removed.
        of: the network that it was made from.
        parameters: how many numbers its parameters are.
        non_zeros: how many of these aren't zero.
    """

    stage: str
    of: _Origin
    parameters: Count
    non_zeros: Count


class _Network(Struct):
    """A network.

    Attributes:
        name: as for ``--arch``.
        weights: their name or file.
        weights_sha256: SHA-256 (hex) of the state's names, dtypes, shapes and bytes.
        classes (whole number): how many outputs it has.
        made: of a packed file alone: how it was made.
    """

    name: str
    weights: str
    weights_sha256: str
    made: _Made | None = None


class _Preprocessing(Struct):
    """What is done to an image before the network sees it.

    Attributes:
        resize: pixels of the shorter side, or of both; null for none.
        crop: pixels of the square that is cut from the middle; null for none.
        interpolation: how pictures are resized.
        mean: what is subtracted from each channel.
        std: what each channel is divided by.
        crop_mode: center keeps the picture's proportions, squash doesn't.
        crop_rounding: where the crop starts if half a pixel is left over: even or down.
    """

    resize: int | list[Plain] | None
    crop: int | list[Plain] | None
    interpolation: str
    mean: list[Plain]
    std: list[Plain]
    crop_mode: str = ""
    crop_rounding: str = ""


class _Data(Struct):
    """The images.

    Attributes:
        name: as for ``--data``.
        n (whole number): how many there are.
        identity: SHA-256 (hex) over labels, files' relative paths and the sizes of at most
            10 000 of them; of pictures in memory over their bytes.
        images (text): as identity, without the labels.
        classes_by (text): what classes were matched with the network's outputs by.
    """

    name: str
    identity: str


class _Asked(Struct):
    """What was asked for.

    Attributes:
        weights: the option of this name.
        data: options of the data by name.
        running: what decides how networks are computed: batch size, precision, device, layout,
            folding, compiling; of ``diversity`` also how many ``draws`` are compared.
        preprocessing: what overrules the network's own.
    """

    weights: str | None
    data: Flat
    running: Flat
    preprocessing: Flat = {}


class _Used(Struct):
    """How the network was computed.

    Attributes:
        channels_last (true or false): whether memory had the channels last.
        folded_norms (whole number): BatchNorms that were folded into convolutions.
        warnings: what to know of it.
    """

    warnings: list[str] = []


class _ScoreData(Struct):
    """The images that a score was learned from.

    Attributes:
        name: as for ``--score-data``.
        identity: as of the data.
        n: how many of them were taken.
    """

    name: str
    identity: str
    n: Count


class _Shared(Struct):
    """What most records of a study have in common.

    Attributes:
        network: which network.
        preprocessing: what was done to the images.
        data: which images.
        asked: what was asked for.
        versions: of the program, Python and the libraries that decide figures.
        notes: what was guessed about networks and images, for people.
        score_data: which images a score was learned from; null for other scores.
        used: how the network was computed.
        read: hashes over what the images were read from, ``data``, and those that a score was
            learned from, ``score_data``.
    """

    network: _Network
    preprocessing: _Preprocessing
    data: _Data
    asked: _Asked
    versions: dict[str, str]
    score_data: _ScoreData | None
    notes: list[str] = []
    used: _Used | None = None
    read: dict[str, str | None] | None = None


class _Variant(Struct):
    """What was pruned.

    Attributes:
        method: connections, neurons or weights.
        p_prune: fraction of the elements that is prunable, in [0, 1].
        p_bern: probability that a prunable element is pruned, in [0, 1].
        score: what elements were ranked by.
        scope: global, or layer; a layer that is pruned alone is of scope layer, and included.
        layers: the layer types that were ranked.
        tensors: what of the layers was ranked, where that isn't weights alone.
        include: patterns of layer paths that were ranked.
        exclude: patterns of layer paths that were left out.
        with_norm: whether neurons' biases and BatchNorms were pruned with them.
        floor: fraction of each layer that stayed out, where there is one.
        by_layer: p_prune by layer, where that was asked for.
        recalibrate: how many images the BatchNorms' statistics were estimated on anew, if any.
        seed: the draw's name, first part.
        index: the draw's name, second part.
    """

    method: str
    score: str
    scope: str
    p_prune: float
    p_bern: float
    seed: Seed
    index: Seed
    layers: Entry = None
    include: Entry = None
    exclude: Entry = None
    with_norm: Plain = None
    tensors: Entry = None
    floor: Plain = None
    by_layer: Flat | None = None
    recalibrate: Count | None = None


class _Realised(Struct, forbid_unknown_fields=True):
    """What pruning came to, over all ranked layers.

    Attributes:
        granularity: what an element is.
        elements: how many there are.
        prunable: how many of them are prunable.
        pruned: how many the draw prunes.
        pruning_ratio: pruned / elements.
        weights: single weights of the ranked layers.
        zeroed: those under the mask.
        zeroed_ratio: zeroed / weights.
        zero_before: those that are zero without any mask.
        zero_before_ratio: zero_before / weights.
        newly_zeroed: those under the mask that weren't zero before.
        network_weights: all weights and biases of the network.
        network_zeroed_ratio: share of these under masks.
        silenced: biases and norms' entries under masks, by ``with_norm``.
        newly_silenced: those of them that weren't zero before.
        layers: name and counts for each layer.
        warnings: layers that vanish, and the like.
    """

    pruning_ratio: float
    zeroed_ratio: float
    network_zeroed_ratio: float = 0.0
    zero_before_ratio: float = 0.0
    granularity: Plain = None
    elements: Count = 0
    prunable: Count = 0
    pruned: Count = 0
    weights: Count = 0
    zeroed: Plain = None
    zero_before: Plain = None
    newly_zeroed: Count = 0
    network_weights: Plain = None
    silenced: Plain = None
    newly_silenced: Plain = None
    layers: str | list[Any] = []
    warnings: list[str] = []


class _Metrics(Struct):
    """What the network scored.

    Attributes:
        n: images that were evaluated.
        hits1: those whose label has the greatest output.
        hits5: those whose label is among the five greatest outputs.
        acc1: Acc@1 in percent.
        acc1_interval: its 95% interval, Wilson's.
        acc5: Acc@5 in percent.
        acc5_interval: its 95% interval, Wilson's.
        loss: mean cross-entropy in nats; null where an image has none.
        loss_interval: its 95% interval, by the normal approximation.
        loss_sum: the sum of all losses in units of 2**-32 nats, each rounded first.
        loss_square_sum (whole number): the sum of the squares of these rounded numbers.
        non_finite: images without a finite loss, counted as misses.
        ties: images whose hit is settled by the order of equal outputs.
        unreadable: images that were skipped; not in n.
        seconds (number): wall time from the first batch's reading to the last figure.
    """

    n: Count
    hits1: Count
    hits5: Count
    unreadable: Count
    non_finite: Count
    loss_sum: int
    loss: Figure
    acc1: Figure
    acc5: Figure
    loss_interval: Interval
    acc1_interval: Interval
    acc5_interval: Interval
    ties: Count = 0


class _Difference(Struct):
    """What pruning changed, image by image.

    Attributes:
        n: images that were compared.
        gained1: those right at 1 when pruned and wrong when dense.
        lost1: those wrong at 1 when pruned and right when dense.
        gained5 (whole number): as gained1, among the five greatest outputs.
        lost5 (whole number): as lost1, among the five greatest outputs.
        acc1_difference: Acc@1 less the dense network's, in percentage points.
        acc1_interval: its paired 95% interval, Agresti's and Min's.
        acc5_difference: Acc@5 less the dense network's, in percentage points.
        acc5_interval: its paired 95% interval, Agresti's and Min's.
        loss_difference: mean loss less the dense network's, in nats.
        loss_interval: its paired 95% interval, by the normal approximation.
        loss_sum: the sum of the differences in units of 2**-32 nats.
        loss_square_sum (whole number): the sum of the squares of these whole numbers.
        non_finite (whole number): images without a finite loss in one of both.
    """

    n: Count
    gained1: Count
    lost1: Count
    loss_sum: int
    loss_difference: Figure
    acc1_difference: Figure
    acc5_difference: Figure
    loss_interval: Interval
    acc1_interval: Interval
    acc5_interval: Interval


class _Own(Struct, forbid_unknown_fields=True):
    """What is a record's alone.

    Attributes:
        variant: what was pruned, by option; null for the dense network.
        score: the score's name; of one that learns with a hash of its images and labels.
        prunable_sha256: SHA-256 (hex) of the prunable set.
        draw_sha256: SHA-256 (hex) of the draw.
        realised: what pruning came to; null for the dense network.
        metrics: what the network scored.
        difference: to the dense network on the same images; null for the dense network, and
            where that was left out.
        outcomes: names of what ``outcomes.jsonl`` keeps: ``sha256`` of the images' outcomes,
            ``images`` of their names and classes, ``losses`` of the dense network; null if
            nothing was kept.
        diversity: of ``diversity`` alone: figures of draws, of dropout, and their difference.
    """

    variant: Variant
    realised: _Realised | None
    metrics: _Metrics
    difference: _Difference | None
    score: Any = None
    prunable_sha256: str | None = None
    draw_sha256: str | None = None
    outcomes: dict[str, str | None] | None = None
    diversity: dict[str, Any] | None = None


_READ_OWN: Final = Decoder(_Own).decode
_REALISED, _VARIANT, OWN = (
    frozenset(kind.__struct_fields__) for kind in (_Realised, _Variant, _Own)
)


def check_shape(record: Mapping[str, Any]) -> None:
    """Raise unless a record has what is looked up in every one.

    Raises:
        KeyError: something is missing.
        TypeError: something is of another kind.
        DamageError: its counts and figures contradict each other.
        SourceError: it holds options of a later version.
    """
    realised: Any = record["realised"]
    known = realised and _some(realised, _REALISED)
    own = look_at({**_some(record, OWN), "realised": known}, _Own)
    _check_shared(record)
    if realised:
        look_at(_some(realised, realised.keys() - _REALISED), dict[str, Plain])
    _check_own(own, record["data"].get("n"))


def read_own(text: bytes, images: Any) -> Variant:
    """Return the variant of a record of which the rest was looked at, and look at this.

    Args:
        text: what is the record's alone, as JSON.
        images: their number, as far as the record says it.

    Raises:
        MsgspecError, TypeError, DamageError, SourceError: it isn't what `check_shape` lets pass,
            or has members that no version wrote so far.
    """
    own = _READ_OWN(text)
    _check_own(own, images)
    return own.variant


def _some(part: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: part[name] for name in names if name in part}


def _check_shared(record: Mapping[str, Any]) -> None:
    running = look_at(record, _Shared).asked.running
    for name in DECIDING:
        running[name]
    _check_known(running)
    for part in ("preprocessing", "data", "used"):
        look_at(record.get(part, {}), Flat)


def _check_known(options: Mapping[str, Any]) -> None:
    if unknown := options.keys() - _KNOWN:
        raise SourceError(
            f"has options that this version doesn't know ({', '.join(sorted(unknown))}); use the "
            "version of network-prune that wrote it"
        )


def _check_own(own: _Own, images: Any) -> None:
    if own.variant is not None:
        check(own.realised is not None)
        _check_variant(own.variant)
    _check_counts(own, images)
    _check_figures(own.metrics, own.difference)


def _check_variant(variant: dict[str, Any]) -> None:
    found = look_at(variant, _Variant)
    check(max(found.seed, found.index) <= LARGEST)
    if not _VARIANT.issuperset(variant):
        _check_known(variant)
        look_at(_some(variant, variant.keys() - _VARIANT), Flat)


def _check_counts(own: _Own, images: Any) -> None:
    """Check counts against the number of images and each other."""
    metrics, difference = own.metrics, own.difference
    n = metrics.n
    counted = n + metrics.unreadable
    if images not in (None, counted):
        raise DamageError(f"it counts {counted} images of {brief(images)}")
    if not metrics.hits1 <= metrics.hits5 <= n or metrics.non_finite > n:
        raise DamageError(f"it counts more images than its {n}")
    if difference is not None and difference.n != n:
        raise DamageError(f"it compares {difference.n} images of {n}")


def _check_figures(metrics: _Metrics, difference: _Difference | None) -> None:
    """Check figures against the counts that they are made of."""
    n = metrics.n
    _check_mean("acc1", metrics.acc1, 100 * metrics.hits1, n)
    _check_mean("acc5", metrics.acc5, 100 * metrics.hits5, n)
    if not metrics.non_finite:
        _check_mean("loss", metrics.loss, metrics.loss_sum, n * _UNITS)
    if difference is not None:
        changed = 100 * (difference.gained1 - difference.lost1)
        _check_mean("difference in acc1", difference.acc1_difference, changed, n)
    _check_interval("loss", metrics.loss, metrics.loss_interval)
    _check_interval("acc1", metrics.acc1, metrics.acc1_interval)
    _check_interval("acc5", metrics.acc5, metrics.acc5_interval)


def _check_mean(name: str, mean: Any, total: int, count: int) -> None:
    if not count:
        return
    try:
        expected = total / count
    except OverflowError:
        expected = math.inf
    if mean != expected and not math.isclose(mean, expected, rel_tol=1e-9, abs_tol=1e-9):
        raise DamageError(f"its {name} isn't that of its counts")


def _check_interval(name: str, figure: Any, interval: Interval) -> None:
    low, high = interval
    if low is not None and high is not None and not low <= figure <= high:
        raise DamageError(f"its {name} lies outside its interval")
