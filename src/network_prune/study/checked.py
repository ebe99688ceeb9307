"""What is found out of a plan before any network is loaded."""

from network_prune.core.scores import parse_score
from network_prune.evaluation.device import choose_device
from network_prune.evaluation.evaluate import check_precision
from network_prune.sources.inputs import Inputs
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
