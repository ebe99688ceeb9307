"""What the user asked to prune, checked before anything is loaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from network_prune.errors import ArgumentError, check_choice, check_fraction

if TYPE_CHECKING:
    from torch import nn

    from network_prune.core.prunable import PrunableSet

METHODS = {"connections": "connection", "neurons": "neuron", "weights": "weight"}
SCOPES = ("global", "layer")
SCORES = ("l1", "l2", "mean-l1", "lamp", "taylor", "gradient", "random")
LEARNED = ("taylor", "gradient")
LAYERS = {
    "conv1d": "Conv1d",
    "conv2d": "Conv2d",
    "conv3d": "Conv3d",
    "convtranspose1d": "ConvTranspose1d",
    "convtranspose2d": "ConvTranspose2d",
    "convtranspose3d": "ConvTranspose3d",
    "linear": "Linear",
}


@dataclass(frozen=True, slots=True)
class PruneSettings:
    """The pruning options of a command.

    Raises:
        ArgumentError: when made with a value outside what is allowed.
    """

    method: str
    p_prune: float
    p_bern: float
    score: str
    scope: str
    layers: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    seed: int
    index: int
    with_norm: bool = False

    def __post_init__(self) -> None:
        check_fraction("p_prune", self.p_prune)
        check_fraction("p_bern", self.p_bern)
        check_choice("method", self.method, METHODS)
        check_choice("scope", self.scope, SCOPES)
        check_choice("score", self.score.partition(":")[0], SCORES)
        for name in self.layer_names:
            check_choice("layer type", name, LAYERS)
        if self.with_norm and self.method != "neurons":
            raise ArgumentError(f"--with-norm goes with --method neurons, not {self.method}")
        for name in ("seed", "index"):
            value = getattr(self, name)
            if not 0 <= value < 2**64:
                raise ArgumentError(
                    f"{name}={value} is outside [0, 2**64 - 1]; pass one from there"
                )

    @property
    def learns(self) -> bool:
        """Whether the score is computed on images."""
        return self.score in LEARNED

    @property
    def layer_names(self) -> list[str]:
        """The layer types as the user wrote them, in lower case."""
        return [name.strip().lower() for name in self.layers.split(",")]

    def rank(self, model: "nn.Module", data: Iterable[Any] | None = None) -> "PrunableSet":
        """Return the prunable set of ``model``; ``data`` are the batches of a score that learns."""
        from torch import nn

        from network_prune.pruning.ranking import rank

        return rank(
            model,
            METHODS[self.method],
            p_prune=self.p_prune,
            score=self.score,
            data=data,
            scope=self.scope,
            layers=[getattr(nn, LAYERS[name]) for name in self.layer_names],
            include=self.include,
            exclude=self.exclude,
        )


@dataclass(frozen=True, slots=True)
class ScoreData:
    """The images that a score is computed on.

    Attributes:
        spec: name of the images.
        count: how many are taken, spread over them.
        is_evaluated: whether they are the evaluation data.
    """

    spec: str
    count: int
    is_evaluated: bool


def choose_score_data(
    settings: PruneSettings, data: str, *, spec: str | None, count: int | None
) -> ScoreData | None:
    """Return what the options say of the images for the score; None where it needs none.

    Args:
        settings: the pruning options.
        data: name of the evaluation data.
        spec: ``--score-data``.
        count: ``--score-images``.

    Raises:
        ArgumentError: the score needs no images, or ``count`` is below 1.
    """
    if not settings.learns:
        for option, value in (("--score-data", spec), ("--score-images", count)):
            if value is not None:
                raise ArgumentError(
                    f"{option} {value} goes with --score {' or '.join(LEARNED)}, "
                    f"not {settings.score}"
                )
        return None
    if count is not None and count < 1:
        raise ArgumentError(f"score_images={count} leaves no images; pass 1 or more")
    return ScoreData(
        spec=data if spec is None else spec,
        count=256 if count is None else count,
        is_evaluated=spec in (None, data),
    )


def preprocessing_options(
    resize: int | None,
    crop: int | None,
    interpolation: str | None,
    *,
    mean: str | None,
    std: str | None,
) -> dict[str, Any]:
    """Return what the options say of the preprocessing, by its fields; None says nothing.

    Raises:
        ArgumentError: ``mean`` or ``std`` isn't numbers with commas.
    """
    return {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "mean": _numbers("mean", mean),
        "std": _numbers("std", std),
    }


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"{name}={text!r} isn't numbers; pass e.g. 0.485,0.456,0.406") from None
