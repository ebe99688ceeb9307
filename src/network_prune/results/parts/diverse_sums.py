"""What a variant's draws did with images, compared with each other and with dropout's."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from network_prune.evaluation.mean import Mean
from network_prune.evaluation.one_pass import Sums


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over images; an image's value is the mean over its draws or pairs of draws.

    Attributes:
        acc1: share of draws that have the image right, in percent.
        agreement: share of pairs of draws that predict the same class, in percent. A draw
            with a NaN or infinite logit predicts none and agrees with no other.
        cosine: cosine between two draws' gradients of the cross-entropy, true label, with
            respect to the image, in [-1, 1].
    """

    acc1: Mean = field(default_factory=Mean)
    agreement: Mean = field(default_factory=Mean)
    cosine: Mean = field(default_factory=Mean)

    def __add__(self, other: "Figures") -> "Figures":
        """Return the figures of both sets of images together."""
        return Figures(*(getattr(self, name) + getattr(other, name) for name in Figures.__slots__))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        return {name: getattr(self, name).to_dict() for name in Figures.__slots__}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures of both modes and of their difference on the same images.

    Attributes:
        prune: draws of the prunable set.
        dropout: draws of all elements at the same expected ratio.
        difference: prune less dropout, image by image; the cosine's over the images that
            have one in both modes.
        left_out: by mode, images that have no cosine because a draw's gradient is zero or
            not finite.
    """

    prune: Figures = Figures()
    dropout: Figures = Figures()
    difference: Figures = Figures()
    left_out: tuple[int, int] = (0, 0)

    def __add__(self, other: "Comparison") -> "Comparison":
        """Return the comparison on both sets of images together."""
        return Comparison(
            self.prune + other.prune,
            self.dropout + other.dropout,
            self.difference + other.difference,
            (self.left_out[0] + other.left_out[0], self.left_out[1] + other.left_out[1]),
        )

    @classmethod
    def from_plain(cls, entry: Mapping[str, Any]) -> Self:
        """Return what dataclasses.asdict made plain data of.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        prune, dropout, difference = (
            Figures(*(Mean(**entry[mode][name]) for name in Figures.__slots__))
            for mode in ("prune", "dropout", "difference")
        )
        first, second = entry["left_out"]
        return cls(prune, dropout, difference, (first, second))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data, for JSON."""
        prune, dropout = self.left_out
        return {
            "prune": {**self.prune.to_dict(), "left_out_of_cosine": prune},
            "dropout": {**self.dropout.to_dict(), "left_out_of_cosine": dropout},
            "difference": self.difference.to_dict(),
        }


@dataclass(frozen=True)
class DiverseSums(Sums):
    """What a variant's first draw did with the images so far, and how all draws differ.

    Attributes:
        comparison: of all draws; of none for the dense network.
        draws: how many are compared.
    """

    comparison: Comparison = Comparison()
    draws: int = 0

    @classmethod
    def beside(cls, sums: Sums, comparison: Comparison, draws: int = 0) -> Self:
        """Return what a first draw did, with the comparison of all."""
        return cls(sums.metrics, sums.paired, sums.outcomes, sums.losses, comparison, draws)

    def __add__(self, other: Sums) -> "DiverseSums":
        """Return what was done with both sets of images together."""
        more = other.comparison if isinstance(other, DiverseSums) else Comparison()
        return DiverseSums.beside(Sums.__add__(self, other), self.comparison + more, self.draws)

    def figures(self, *, is_dense: bool) -> dict[str, Any]:
        """Return the first draw's figures, and how all draws differ, as plain data."""
        diversity = {"draws": self.draws, **self.comparison.to_dict()}
        return {
            **Sums.figures(self, is_dense=is_dense),
            "diversity": None if is_dense else diversity,
        }
