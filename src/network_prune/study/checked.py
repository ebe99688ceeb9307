"""What is found out of a plan before any network is loaded."""

import os
from os import PathLike

from network_prune.core.scores import parse_score
from network_prune.errors import ArgumentError, brief
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.evaluate import check_precision
from network_prune.sources.inputs import Inputs
from network_prune.study.measure import Measure
from network_prune.study.plan import Plan
from network_prune.study.score_images import check_score_options


def check_plan(plan: Plan) -> Inputs:
    """Find out before any network is loaded what would be refused for each; return the inputs.

    Raises:
        NetworkPruneError: an option or the data fits no network.
    """
    options = plan.options
    check_precision(options)
    choose_device(options["device"])
    scores = {variant.score: None for each in plan.variants.values() for variant in each}
    for score in scores:
        parse_score(score)
    check_score_options(scores, options)
    inputs = Inputs(options, [network.arch for network in plan.variants])
    inputs.check(*([options["score_data"]] if options["score_data"] else []))
    return inputs


def check_measure(measure: Measure | None, out: str | PathLike[str] | None) -> Measure:
    """Return what is found out of each variant.

    Args:
        measure: None for loss and accuracy.
        out: folder that is to keep it, if any does.

    Raises:
        ArgumentError: it is no measure, or records in a folder couldn't be told from others.
    """
    if measure is None:
        return Measure()
    if not isinstance(measure, Measure):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError(f"measure={brief(measure)} is no measure; pass e.g. DrawsCompared(5)")
    if out is not None and type(measure) is not Measure and not measure.settings:
        raise ArgumentError(
            f"out={os.fspath(out)!r} can't tell what {type(measure).__name__} finds from loss and "
            "accuracy, as it has no settings; leave out or measure out"
        )
    return measure
