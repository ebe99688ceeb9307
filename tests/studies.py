"""A study of a network and images in hand: the parts of a run, without names and files."""

from collections.abc import Sequence

import torch
from torch import nn

from network_prune.evaluation.one_pass import Sums, chunks
from network_prune.evaluation.reading import Reading
from network_prune.evaluation.switch import Switcher
from network_prune.evaluation.variant import Variant
from network_prune.options import GRID_OPTIONS, defaults
from network_prune.pruning.faster_copy.prepare import Speed
from network_prune.pruning.forward import eval_mode
from network_prune.study.measure import Measure

ITSELF = Speed(channels_last=False, fold=False)


def variant_of(**values) -> Variant:
    """A variant of the defaults, of single weights."""
    usual = {
        name: value[0] if isinstance(value, tuple) and value else value
        for name, value in defaults(GRID_OPTIONS).items()
    }
    return Variant.of({**usual, "method": "weights", **values})


def look_at(
    model: nn.Module,
    data,
    variants: Sequence[Variant],
    *,
    measure: Measure | None = None,
    speed: Speed = ITSELF,
    dense: bool = True,
    **options,
) -> dict[Variant | None, Sums]:
    """What is found of each variant, and under None of the dense network."""
    measure = measure or Measure()
    wanted = [None, *variants] if dense else list(variants)
    found = {variant: measure.nothing() for variant in wanted}
    with (
        Switcher(model, speed) as switcher,
        eval_mode(model),
        torch.no_grad(),
        Reading(data, label="study", **{"batch_size": 64, "workers": 0, **options}) as reading,
    ):
        for variant in variants:
            switcher.prunable(variant)
        for chunk in chunks(reading):
            switcher.look_first(chunk.batches[0])
            for variant in wanted:
                for part in measure.look(chunk, variant, switcher):
                    found[variant] += part
    return found
