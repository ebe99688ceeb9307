"""Slow, obvious versions of what the package computes: plain loops, one number at a time.

Nothing here comes from network_prune; the rules are written down a second time.
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize, stats
from torch import Tensor, nn

BITS = (1 << 64) - 1


class Part(NamedTuple):
    """A ranked layer: its weight as stored, and how to read it."""

    weight: Tensor
    transposed: bool = False
    groups: int = 1


# --- elements ---------------------------------------------------------------------------


def elements(part: Part, granularity: str) -> list[list[tuple[int, ...]]]:
    """Return for each element the places of its weights in the stored tensor, all in order."""
    if part.weight.dim() < 2:
        return [[place] for place in itertools.product(*map(range, part.weight.shape))]
    first, second, *kernel = part.weight.shape
    found: list[list[tuple[int, ...]]] = []
    outs = second * part.groups if part.transposed else first
    ins = first // part.groups if part.transposed else second
    for o in range(outs):
        neuron: list[tuple[int, ...]] = []
        for i in range(ins):
            connection: list[tuple[int, ...]] = []
            for tap in itertools.product(*map(range, kernel)):
                if part.transposed:
                    group, column = divmod(o, second)
                    place = (group * ins + i, column, *tap)
                else:
                    place = (o, i, *tap)
                if granularity == "weight":
                    found.append([place])
                connection.append(place)
            if granularity == "connection":
                found.append(connection)
            neuron += connection
        if granularity == "neuron":
            found.append(neuron)
    return found


def positions(counts: Sequence[int]) -> list[list[int]]:
    """Return the positions of each layer's elements; each layer starts at a multiple of 64."""
    found, start = [], 0
    for count in counts:
        found.append([start + i for i in range(count)])
        start += 64 * math.ceil(count / 64)
    return found


# --- scores -----------------------------------------------------------------------------


def fold(values: Sequence[np.floating]) -> np.floating:
    """Add up by folding in half: the second half onto the first, until one is left."""
    values = list(values)
    while len(values) > 1:
        half = (len(values) + 1) // 2
        for i in range(half, len(values)):
            values[i - half] = values[i - half] + values[i]
        values = values[:half]
    return values[0]


def score_of(weights: Sequence[float], score: str) -> np.float32:
    """Score one element by the size of its weights."""
    singles = [abs(np.float32(w)) for w in weights]
    if len(singles) == 1:
        return singles[0]
    if score == "l1":
        return fold(singles)
    if score == "mean-l1":
        return fold(singles) / np.float32(len(singles))
    if score == "l2":
        return np.float32(np.sqrt(fold([np.float64(w) * np.float64(w) for w in singles])))
    raise ValueError(score)


def lamp_of(elements: Sequence[Sequence[float]]) -> list[float]:
    """Score a layer's elements by LAMP: from the greatest down, the square over the sum so far."""
    squares = [
        fold([np.float64(np.float32(w)) * np.float64(np.float32(w)) for w in weights])
        for weights in elements
    ]
    found, total = [0.0] * len(squares), np.float64(0.0)
    for square, place in sorted(zip(squares, itertools.count()), reverse=True):
        total = total + square
        if total > 0:
            found[place] = float(square / total)
    return found


def random_score(seed: int, position: int) -> float:
    return (word(key(2, seed), position) >> 40) / 2**24


def scores(parts: Sequence[Part], granularity: str, score: str) -> list[list[float]]:
    groups = [elements(part, granularity) for part in parts]
    if score.startswith("random"):
        seed = int(score.partition(":")[2] or 0)
        return [[random_score(seed, p) for p in run] for run in positions([*map(len, groups)])]
    weights = [
        [[part.weight[place].item() for place in element] for element in group]
        for part, group in zip(parts, groups, strict=True)
    ]
    if score == "lamp":
        return [lamp_of(group) for group in weights]
    return [[score_of(element, score) for element in group] for group in weights]


# --- ranking ----------------------------------------------------------------------------


def lowest(scores: Sequence[Sequence[float]], k: int) -> list[list[bool]]:
    """Sort everything by (score, position) and mark the first k."""
    everything = sorted(
        (value, layer, place)
        for layer, values in enumerate(scores)
        for place, value in enumerate(values)
    )
    marked = {(layer, place) for _, layer, place in everything[:k]}
    return [
        [(layer, place) in marked for place in range(len(values))]
        for layer, values in enumerate(scores)
    ]


def prunable(
    parts: Sequence[Part], granularity: str, *, p_prune: float, score: str, scope: str
) -> list[list[bool]]:
    values = scores(parts, granularity, score)
    if scope == "layer":
        return [lowest([part], int(p_prune * len(part)))[0] for part in values]
    return lowest(values, int(p_prune * sum(len(part) for part in values)))


def lowest_above_floor(
    scores: Sequence[Sequence[float]], k: int, floor: float
) -> list[list[bool]] | None:
    """Go up by (score, position), pass by the elements of layers that are full, until k are marked.

    None where fewer than k can be.
    """
    room = [int((1 - floor) * len(values)) for values in scores]
    marked = [[False] * len(values) for values in scores]
    for _, layer, place in sorted(
        (value, layer, place)
        for layer, values in enumerate(scores)
        for place, value in enumerate(values)
    ):
        if k and room[layer]:
            marked[layer][place] = True
            room[layer] -= 1
            k -= 1
    return None if k else marked


def strictly_below(scores: Sequence[float], k: int) -> list[bool]:
    """The user's own rule: the score is strictly below the sorted score at index k."""
    threshold = sorted(scores)[k]
    return [score < threshold for score in scores]


# --- draws ------------------------------------------------------------------------------


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
    return z ^ (z >> 31)


@cache
def key(*parts: int) -> int:
    value = 0
    for part in parts:
        value = mix(((value ^ part) + 0x9E3779B97F4A7C15) & BITS)
    return value


def word(stream: int, i: int) -> int:
    return mix((stream + (i + 1) * 0x9E3779B97F4A7C15) & BITS)


def bernoulli(p: float, *, seed: int, index: int, position: int) -> bool:
    """Say whether U < p, by comparing one binary digit after the other."""
    rest = Fraction(p)
    if rest == 1:
        return True
    plane = 0
    while rest:
        rest *= 2
        digit = int(rest >= 1)
        rest -= digit
        uniform = word(key(1, seed, index, plane), position // 64) >> (position % 64) & 1
        if uniform != digit:
            return uniform < digit
        plane += 1
    return False


def draw(
    flags: Sequence[Sequence[bool]], *, p_bern: float, seed: int, index: int
) -> list[list[bool]]:
    """Say for each element whether it is pruned."""
    runs = positions([len(part) for part in flags])
    return [
        [
            flag and bernoulli(p_bern, seed=seed, index=index, position=position)
            for flag, position in zip(part, run, strict=True)
        ]
        for part, run in zip(flags, runs, strict=True)
    ]


def mask(part: Part, granularity: str, pruned: Sequence[bool]) -> np.ndarray:
    """Return the mask in the stored shape, True = keep."""
    keep = np.ones(tuple(part.weight.shape), bool)
    for element, is_pruned in zip(elements(part, granularity), pruned, strict=True):
        for place in element:
            keep[place] = not is_pruned
    return keep


# --- recalibrating ----------------------------------------------------------------------


def running_statistics(layers, batches) -> dict[int, tuple[list[float], list[float]]]:
    """Return by place of each BatchNorm mean and unbiased variance of all that it takes, a channel.

    Layer after layer runs in float64, and a norm normalises a batch by the batch's own figures.
    """
    taken: dict[int, list[list[float]]] = {}
    for batch in batches:
        x = batch.double()
        for place, layer in enumerate(layers):
            if not hasattr(layer, "running_mean"):
                x = layer(x)
                continue
            channels = [x[:, c].flatten().tolist() for c in range(x.shape[1])]
            whole = taken.setdefault(place, [[] for _ in channels])
            out = x.clone()
            for c, values in enumerate(channels):
                whole[c] += values
                mean, variance = _moments(values, len(values))
                out[:, c] = (x[:, c] - mean) / math.sqrt(variance + layer.eps)
                if layer.affine:
                    out[:, c] = out[:, c] * layer.weight[c].item() + layer.bias[c].item()
            x = out
    return {
        place: tuple(zip(*(_moments(values, len(values) - 1) for values in whole), strict=True))
        for place, whole in taken.items()
    }


def _moments(values: Sequence[float], divisor: int) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / divisor


# --- comparing --------------------------------------------------------------------------


def mcnemar(gained: int, lost: int) -> float:
    """Add up the chances of what is at least as uneven, each change being a fair coin."""
    n, least = gained + lost, abs(gained - lost)
    ways = sum(math.comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= least)
    return ways / 2**n


def holm(ps: Sequence[float]) -> list[float]:
    """Multiply the smallest by how many there are, the next by one fewer, and never go down."""
    adjusted, greatest = [0.0] * len(ps), 0.0
    for place, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        greatest = max(greatest, min(1.0, ps[i] * (len(ps) - place)))
        adjusted[i] = greatest
    return adjusted


def two_way(one: Sequence[Sequence[bool]], other: Sequence[Sequence[bool]]):
    """Return interval and p of the difference in percent correct of two sets of draws.

    Two images that one more has right and the other wrong, half each way, are added first.
    """
    n = len(one[0])
    shares = [
        [sum(draw[i] for draw in each) / len(each) for i in range(n)] for each in (one, other)
    ]
    changes = [a - b for a, b in zip(*shares, strict=True)]
    changes_and_weights = [*((c, 1.0) for c in changes), (1, 0.5), (-1, 0.5), (0, 1)]
    mean = sum(c * w for c, w in changes_and_weights) / (n + 2)
    of_images = sum(w * (c - mean) ** 2 for c, w in changes_and_weights) / (n + 2) / (n + 2)
    parts = [(of_images, math.inf)]
    for each in (one, other):
        if len(each) > 1:
            rates = [sum(draw) / n for draw in each]
            middle = sum(rates) / len(rates)
            variance = sum((rate - middle) ** 2 for rate in rates) / (len(rates) - 1)
            parts.append((variance / len(rates), len(rates) - 1))

    def half(level):
        return math.sqrt(sum(part * stats.t.isf(level / 2, own) ** 2 for part, own in parts))

    pairs = [(a, b) for a in one for b in other]
    gained, lost = (
        round(
            sum(sum(x and not y for x, y in zip(*p, strict=True)) for p in each) / len(pairs) - 1e-6
        )
        for each in (pairs, [pair[::-1] for pair in pairs])
    )
    if not mean:
        p = 1.0
    elif half(1e-15) < abs(mean):
        p = 1e-15
    else:
        p = 10.0 ** optimize.brentq(lambda x: half(10.0**x) - abs(mean), -15, 0)
    interval = (100 * max(-1, mean - half(0.05)), 100 * min(1, mean + half(0.05)))
    return interval, max(p, mcnemar(gained, lost))


def difference_p(one: Sequence[Sequence[bool]], other: Sequence[Sequence[bool]]) -> float:
    if len(one) > 1 or len(other) > 1:
        return two_way(one, other)[1]
    pairs = list(zip(one[0], other[0], strict=True))
    return mcnemar(pairs.count((True, False)), pairs.count((False, True)))


def tie_groups(sets: Sequence[Sequence[Sequence[bool]]]) -> list[int]:
    """Take the best, and all that can't be told from it, as group 0; go on with the rest."""
    accuracy = [sum(map(sum, each)) / len(each) for each in sets]
    rest = sorted(range(len(sets)), key=lambda i: -accuracy[i])
    groups, count = [0] * len(sets), 0
    while rest:
        best, *others = rest
        adjusted = holm([difference_p(sets[i], sets[best]) for i in others])
        groups[best] = count
        for i, p in zip(others, adjusted, strict=True):
            if p >= 0.05:
                groups[i] = count
        rest = [i for i, p in zip(others, adjusted, strict=True) if p < 0.05]
        count += 1
    return groups


# --- attacking --------------------------------------------------------------------------


def attack(
    image: np.ndarray,
    gradient_at,
    *,
    epsilon: float,
    step: float,
    iterations: int,
    momentum: float = 0.0,
    normalise: bool = False,
    translation: int = 0,
    scales: int = 1,
) -> np.ndarray:
    """Attack one image [C, S, S] in float64: ``gradient_at(image)`` says which way is up."""
    lowest_allowed = np.maximum(image - epsilon, 0.0)
    highest_allowed = np.minimum(image + epsilon, 1.0)
    present, direction = image.astype(np.float64), np.zeros(image.shape)
    for _ in range(iterations):
        # The image's own gradient through a copy of half the brightness is half of the copy's.
        copies = [gradient_at(present / 2**i) / 2**i for i in range(scales)]
        gradient = sum(copies) / scales
        if translation > 1:
            gradient = smoothed(gradient, translation)
        if normalise and np.abs(gradient).mean() > 0:
            gradient = gradient / np.abs(gradient).mean()
        direction = momentum * direction + gradient
        present = present + step * np.sign(direction)
        present = np.minimum(np.maximum(present, lowest_allowed), highest_allowed)
    return present


def smoothed(gradient: np.ndarray, side: int) -> np.ndarray:
    """Give each pixel the weighted sum of those around it; there are zeros outside."""
    places = [-3 + 6 * i / (side - 1) for i in range(side)]
    line = [math.exp(-place * place / 2) for place in places]
    total = sum(a * b for a in line for b in line)
    channels, height, width = gradient.shape
    found = np.zeros(gradient.shape)
    for c, y, x in itertools.product(range(channels), range(height), range(width)):
        for i, j in itertools.product(range(side), range(side)):
            from_y, from_x = y + i - side // 2, x + j - side // 2
            if 0 <= from_y < height and 0 <= from_x < width:
                found[c, y, x] += line[i] * line[j] / total * gradient[c, from_y, from_x]
    return found


# --- retraining -------------------------------------------------------------------------


def masked_sgd(
    model: nn.Module,
    keep: dict[str, Tensor],
    batches: Sequence[tuple[Tensor, Tensor]],
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """Train a network by stochastic gradient descent, and write zeros where they belong.

    Args:
        model: the network, in training mode.
        keep: by a Parameter's name, which of its entries aren't pruned.
        batches: images and class numbers, a step each.
        lr: the learning rate.
        momentum: the share of the last velocity that stays.
        weight_decay: the share of a weight that is added to its gradient.
    """
    parameters = dict(model.named_parameters())
    velocity: dict[str, Tensor] = {}
    for name, kept in keep.items():
        parameters[name].data[~kept] = 0.0
    for images, labels in batches:
        loss = nn.functional.cross_entropy(model(images), labels)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            slope = gradient + weight_decay * parameter.data
            velocity[name] = slope + momentum * velocity[name] if name in velocity else slope
            parameter.data -= lr * velocity[name]
            if name in keep:
                parameter.data[~keep[name]] = 0.0
