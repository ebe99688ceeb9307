"""Figures of a transfer run as flat rows, for tables, CSV and data frames."""

from collections.abc import Iterable, Iterator
from typing import Any

from network_prune.evaluation.mean import plain
from network_prune.results.rows import Row
from network_prune.transfer.figures.attacked import Attacked
from network_prune.transfer.figures.rates import Rate, rate
from network_prune.transfer.figures.sets import FIGURES, AttackSet, When

# What images are at the end, as the attack leaves them and as files of 8 bits hold them.
_SAVED = ("rounded", "truncated")


def flat_rows(rows: Iterable[Attacked]) -> list[Row]:
    """Return a row for each surrogate, augmentation, goal and seed, network, and point.

    At the end there are two more, of the images in 8 bits. Rates are in percent, with the ends
    of their 95 % intervals (Wilson); ``of_right`` are those of the images that the network has
    right when clean. None stands for what has no number.
    """
    return [row for attacked in rows for row in _rows(AttackSet([attacked]))]


def _rows(attacked: AttackSet) -> Iterator[Row]:
    places: list[tuple[When, dict[str, Any], str]] = [
        (place, point, "float32") for place, point in enumerate(attacked.first["points"])
    ]
    places += [(kind, attacked.first["points"][-1], kind) for kind in _SAVED]
    for network in attacked.networks:
        common = {
            **_attack(attacked, network),
            **_rate("acc1", rate(attacked.right(network)[None])),
        }
        for when, point, images in places:
            yield {
                **common,
                "iteration": point["iteration"],
                "passes": point["passes"],
                "images": images,
                **_figures(attacked, network, when),
                **_measured(attacked),
            }


def _attack(attacked: AttackSet, network: str) -> Row:
    record = attacked.first
    return {
        "surrogate": attacked.surrogate,
        "network": network,
        "is_surrogate": attacked.is_made_on(network),
        "augmentation": attacked.augmentation,
        "goal": attacked.goal.value,
        "seed": record["seed"],
        "data": record["images"]["name"],
        "n": record["images"]["n"],
        "n_right": int(attacked.right(network).sum()),
        **{name: record["attack"][name] for name in ("by", "epsilon", "step")},
    }


def _figures(attacked: AttackSet, network: str, when: When) -> Row:
    found = _rate("success", attacked.success(network, when))
    for figure in FIGURES:
        is_known = figure != "targeted" or attacked.rows[0].predictions.targets.min(initial=0) >= 0
        for name, of_right in ((figure, False), (f"{figure}_of_right", True)):
            share = attacked.rate(network, figure, of_right=of_right, when=when)
            found |= _rate(name, share if is_known else None)
    return found


def _measured(attacked: AttackSet) -> Row:
    record = attacked.first
    return {
        "linf": record["distance"]["linf"],
        "l2": record["distance"]["l2"],
        "passes_per_iteration": record["passes_per_iteration"],
        "seconds_per_iteration": plain(attacked.seconds),
        "share_drawing": plain(attacked.share_drawing),
        "key": record["key"],
    }


def _rate(name: str, found: Rate | None) -> Row:
    if found is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    low, high = found.interval
    return {name: plain(found.percent), f"{name}_low": plain(low), f"{name}_high": plain(high)}
