"""Cut silenced neurons out of a network, and see that it computes the same."""

import copy
import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from network_prune.core.foreign_code import no_exits
from network_prune.deploy.costs.cost import costs_of
from network_prune.deploy.removal.cut import Cut, cut, settle
from network_prune.deploy.removal.follow import Flow, follow
from network_prune.deploy.removal.removed import Removed
from network_prune.deploy.removal.rules import tensors_in
from network_prune.errors import (
    ArgumentError,
    UnsupportedNetworkError,
    brief,
    one_line,
    unknown_name,
)
from network_prune.option_checks import whole
from network_prune.pruning.faster_copy.copies import independent_copy
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.ranking.rankable import MAPS, Place, find_places

CLOSE = 1e-5
_Example = tuple[Any, ...]


@no_exits()
def remove_neurons(
    model: AnyNetwork,
    example_input: Tensor | tuple[Any, ...],
    *,
    exclude: Sequence[str] = (),
    repeats: int = 5,
) -> Removed:
    """Return a smaller network that computes what ``model`` computes in eval mode.

    What goes are neurons of convolutions and linear layers whose weights are all zero, under a
    mask or as they are, what would read them, and what nothing reads. A neuron that sends out
    its bias or its BatchNorm's constant goes, too; the weights that read it are added to those
    that read another constant one, which holds at borders padded with zeros as well. Where
    branches that are added up have lost different neurons, each puts its own into the sum.

    The network is left alone. The new one is of the same modules, with `Narrowed` around some;
    it carries no masks and can be trained, saved and loaded like any other, by pickle or
    by its state_dict into a copy of it. In training mode a BatchNorm takes other statistics of
    a constant than those it kept, so only in eval mode is it the same network.

    Args:
        model: a network that is pruned, by `prune` or in any other way.
        example_input: what to call it with, a tensor or a tuple of arguments, e.g. a batch.
        exclude: wildcard patterns of the paths of layers that stay as they are.
        repeats: how often to time both networks on the example; 0 for not at all.

    Raises:
        ArgumentError: a value isn't allowed, or a pattern matches no layer.
        UnsupportedNetworkError: the network can't be copied, fails on the example, decides by the
            numbers in it, or computes something else without its neurons.
    """
    repeats = whole(0, 10_000)("repeats", repeats)
    example = example_input if isinstance(example_input, tuple) else (example_input,)
    if not any(isinstance(leaf, Tensor) for leaf in tree_leaves(example)):
        raise ArgumentError(
            f"example_input={brief(example_input)} holds no tensor; pass what the network is "
            "called with, e.g. torch.randn(1, 3, 224, 224)"
        )
    twin = independent_copy(
        module_of(model),
        aim="to remove neurons",
        remedy="pass one without that (torch.nn.utils.prune.remove takes off torch's own masks)",
    )
    _check_patterns(twin, exclude)
    checks = [(inputs, _outputs(twin, inputs)) for inputs in _inputs(example)]
    found, cuts, flow, difference = _smaller(twin, checks, exclude)
    before, after = costs_of([twin, found], lambda net: net(*example), repeats=repeats)
    return Removed(found, before, after, tuple(cuts), _left(twin, flow, cuts), difference)


def _smaller(
    twin: nn.Module, checks: list[tuple[_Example, list[Tensor]]], exclude: Sequence[str]
) -> tuple[nn.Module, list[Cut], Flow, float]:
    """Return the smaller network, what was cut, what led there and how far the outputs differ."""
    worst = ""
    for alone in (False, True):
        flow = follow(twin, lambda net: net(*checks[0][0]))
        for call in flow.calls:
            if any(fnmatchcase(call.name, pattern) for pattern in exclude):
                flow.left[call.name] = "it is excluded"
                call.leave()
        settle(flow, alone=alone)
        found, cuts = cut(copy.deepcopy(twin), flow)
        try:
            difference = max(_difference(_outputs(found, x), known) for x, known in checks)
            if difference <= _close(checks[0][1]) or _is_same_in_float64(twin, found, checks):
                return found, cuts, flow, difference
        except UnsupportedNetworkError as error:
            worst = str(error)
        else:
            worst = f"its outputs would differ by {difference:.1e} of their size"
    raise UnsupportedNetworkError(
        f"neurons can't be removed from {type(twin).__name__}: {worst}; pass exclude=[…] with the "
        f"layers that are used in a way of their own, among {', '.join(c.name for c in cuts)}"
    )


def _left(twin: nn.Module, flow: Flow, cuts: list[Cut]) -> dict[str, str]:
    """Return why layers that have silenced neurons keep all of them, by path."""
    gone = {cut.name for cut in cuts if cut.outputs[1] < cut.outputs[0]}
    left: dict[str, str] = {}
    for name, place in find_places(twin, MAPS).items():
        if name not in gone and _has_silenced(place):
            left[name] = flow.left.get(name, _usual_reason(place))
    return left


def _usual_reason(place: Place) -> str:
    if place.tensor != "weight":
        return "it is one of an attention's projections"
    if getattr(place.module, "groups", 1) > 1:
        return "its groups must stay equally large"
    return "too few of its neurons are silenced, or what reads them needs all"


def _has_silenced(place: Place) -> bool:
    weight = getattr(place.module, place.tensor).detach()
    rows = place.describe("").canonical(weight).flatten(1)
    return bool((rows == 0).all(1).any())


def _check_patterns(model: nn.Module, patterns: Sequence[str]) -> None:
    if isinstance(patterns, str):
        raise ArgumentError("exclude takes a list of patterns; put the one in brackets")
    names = [name for name, _ in model.named_modules()]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ArgumentError(unknown_name("layer or pattern", pattern, names))


def _inputs(example: _Example) -> list[_Example]:
    """Return the example, and noise of its size where it is numbers, not e.g. tokens."""
    noise = torch.Generator().manual_seed(0)

    def other(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor) or not leaf.is_floating_point():
            return leaf
        drawn = torch.randn(leaf.shape, generator=noise).to(leaf)
        return drawn * (leaf.std(unbiased=False) + 1) + leaf.mean()

    tensors = [leaf for leaf in tree_leaves(example) if isinstance(leaf, Tensor)]
    is_numbers = any(tensor.is_floating_point() for tensor in tensors)
    return [example, tree_map(other, example)] if is_numbers else [example]


@torch.no_grad()
def _outputs(model: nn.Module, inputs: _Example) -> list[Tensor]:
    """Return the tensors that the network gives.

    Raises:
        UnsupportedNetworkError: it fails, or not all of its numbers are finite.
    """
    try:
        outputs = tensors_in(model(*inputs))
    except Exception as error:
        raise UnsupportedNetworkError(
            f"{type(model).__name__} failed on example_input ({one_line(error)}); "
            "pass what it takes"
        ) from error
    if not outputs or not all(bool(output.isfinite().all()) for output in outputs):
        raise UnsupportedNetworkError(
            f"{type(model).__name__} doesn't give finite numbers for example_input, so whether it "
            "is the same without its silenced neurons can't be seen; pass another example"
        )
    return outputs


def _is_same_in_float64(
    twin: nn.Module, found: nn.Module, checks: list[tuple[_Example, list[Tensor]]]
) -> bool:
    """Whether the outputs differ by the rounding of many layers alone, which float64 hasn't."""
    exact, smaller = (copy.deepcopy(network).double() for network in (twin, found))

    def doubled(leaf: Any) -> Any:
        is_numbers = isinstance(leaf, Tensor) and leaf.is_floating_point()
        return leaf.double() if is_numbers else leaf

    try:
        inputs = [tree_map(doubled, example) for example, _ in checks]
        differences = [_difference(_outputs(smaller, x), _outputs(exact, x)) for x in inputs]
    except UnsupportedNetworkError:
        return False  # it computes in other numbers than its inputs'
    return max(differences) <= CLOSE


def _difference(found: list[Tensor], known: list[Tensor]) -> float:
    """Return the greatest difference of two networks' outputs, as a share of the greatest."""
    if [output.shape for output in found] != [output.shape for output in known]:
        return math.inf
    return max(_apart(*both) for both in zip(found, known, strict=True))


def _apart(found: Tensor, known: Tensor) -> float:
    if not known.numel():
        return 0.0
    size = known.abs().max().double()
    apart = (found.double() - known.double()).abs().max()
    return float(apart / size) if size else float(apart)


def _close(outputs: list[Tensor]) -> float:
    """Return how far outputs may be apart: more for those that are rounded to fewer bits."""
    coarsest = max(torch.finfo(o.dtype).eps for o in outputs if o.is_floating_point())
    return max(CLOSE, 16 * coarsest)
