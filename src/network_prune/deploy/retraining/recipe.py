"""How a network is retrained, and what p_prune and learning rate are when."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from torch import nn

from network_prune.by_layer import ByLayer
from network_prune.core.layers import Granularity, Scope
from network_prune.core.streams import check_stream_number
from network_prune.deploy.retraining.options import ROUNDS, check_retraining
from network_prune.errors import ArgumentError, brief, check_fraction
from network_prune.options import LEARNED


class Ranking(TypedDict, total=False):
    """The options of `rank` that have a default there, but for data."""

    score: str
    scope: Scope | str
    floor: float
    layers: Sequence[type[nn.Module]]
    tensors: Sequence[str]
    include: Sequence[str]
    exclude: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides how a network is retrained, but the network, the data and the optimizer.

    Attributes:
        granularity: what an element is.
        p_prune: what is prunable in the last round, a fraction or fractions by layer.
        p_bern: probability in [0, 1] that a prunable element is pruned.
        seed: names the draw, the order of images and what layers draw.
        index: which draw of the seed.
        with_norm: whether biases and norms are pruned with their neurons.
        ranking: other arguments of `rank`.
        schedule: how p_prune rises: ``oneshot``, ``linear`` or ``cubic``.
        rounds: how often the network is pruned; None for 1 or the usual number.
        epochs: epochs a round.
        decay: how the learning rate falls within a round.
        distill: whether the dense network's outputs are learned instead of labels.
        temperature: what logits are divided by then.
        batch_size: images a step.
        amp_dtype: ``bfloat16`` or ``float16`` for mixed precision, None for none.
        skip_unreadable: whether images that can't be read are left out.

    Raises:
        ArgumentError: when made with a value outside what is allowed.
    """

    granularity: Granularity
    p_prune: float | ByLayer
    p_bern: float
    seed: int
    index: int
    with_norm: bool
    ranking: Ranking
    schedule: str
    rounds: int | None
    epochs: int
    decay: str
    distill: bool
    temperature: float
    batch_size: int
    amp_dtype: str | None
    skip_unreadable: bool

    def __post_init__(self) -> None:
        names = ("schedule", "epochs", "decay", "distill", "temperature", "batch_size")
        checked = check_retraining(**{name: getattr(self, name) for name in names})
        values: dict[str, Any] = dict(zip(names, checked, strict=True))
        values["granularity"] = Granularity(self.granularity)
        values["p_prune"] = _fractions(self.p_prune)
        values["p_bern"] = check_fraction("p_bern", self.p_bern)
        for name in ("seed", "index"):
            values[name] = check_stream_number(name, getattr(self, name))
        values["rounds"] = _rounds(self.rounds, values["schedule"])
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _check_score(self.ranking)

    @property
    def last(self) -> int:
        """The number of rounds."""
        assert self.rounds is not None, "it is said once the recipe is made"
        return self.rounds

    def p_prune_at(self, number: int) -> float | ByLayer:
        """Return what is prunable in a round, counted from 1."""
        share = share_at(self.schedule, number, self.last)
        if isinstance(self.p_prune, ByLayer):
            return ByLayer({path: share * each for path, each in self.p_prune.items()})
        return share * self.p_prune

    def lr_factor(self, epoch: int) -> float:
        """Return what the learning rate is multiplied by in an epoch of a round, from 0."""
        if self.decay == "none":
            return 1.0
        return (1 + math.cos(math.pi * epoch / self.epochs)) / 2

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data, for JSON."""
        ranking: dict[str, Any] = dict(self.ranking)
        ranking |= {
            name: [getattr(each, "__name__", str(each)) for each in ranking[name]]
            for name in ("layers", "tensors", "include", "exclude")
            if name in ranking
        }
        p_prune = dict(self.p_prune) if isinstance(self.p_prune, ByLayer) else self.p_prune
        own = {name: getattr(self, name) for name in type(self).__slots__ if name != "ranking"}
        return {**own, "granularity": str(self.granularity), "p_prune": p_prune, **ranking}


def share_at(schedule: str, number: int, rounds: int) -> float:
    """Return the share of the last p_prune that a round has, in (0, 1].

    Args:
        schedule: ``linear``, or ``cubic``: 1 - (1 - i / n)³ in round i of n; else all of it.
        number: the round, from 1.
        rounds: how many there are.

    Source: arXiv 1710.01878, equation 1, for ``cubic``.
    """
    if schedule == "linear":
        return number / rounds
    return 1 - (1 - number / rounds) ** 3 if schedule == "cubic" else 1.0


def _fractions(p_prune: Any) -> float | ByLayer:
    is_by_layer = isinstance(p_prune, Mapping)
    found = ByLayer(p_prune) if is_by_layer else check_fraction("p_prune", p_prune)
    if not (any(found.values()) if isinstance(found, ByLayer) else found):
        raise ArgumentError(f"p_prune={brief(p_prune)} prunes nothing; pass one above 0")
    return found


def _rounds(given: int | None, schedule: str) -> int:
    if given is None:
        return 1 if schedule == "oneshot" else ROUNDS
    (rounds,) = check_retraining(rounds=given)
    if schedule == "oneshot" and rounds != 1:
        raise ArgumentError(
            f"rounds={rounds} goes with schedule linear or cubic; oneshot prunes once"
        )
    return rounds


def _check_score(ranking: Ranking) -> None:
    score: Any = ranking.get("score", "l1")
    if not isinstance(score, str) or score in LEARNED:
        raise ArgumentError(
            f"score={brief(score)}: each round ranks the trained weights anew, by l1, l2, mean-l1, "
            "lamp or random; pass one of them"
        )
