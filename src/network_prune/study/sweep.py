"""Evaluate a plan's variants, each batch read once, and record each as soon as it is finished."""

import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from network_prune.core.scores import parse_score
from network_prune.errors import OUT_OF_MEMORY, NetworkPruneError, RunError, is_out_of_memory
from network_prune.evaluation.evaluate import check_options
from network_prune.study.events import Dropped, Event, Failed, Told
from network_prune.study.network_run import NetworkPass
from network_prune.study.network_study import NetworkStudy, choose_inputs
from network_prune.study.plan import Network, Plan, make_plan
from network_prune.study.records import Record, RecordFile
from network_prune.study.score_data import choose_score_data


def _warn(event: Event) -> None:
    """Warn of what a caller who listens to no events should know."""
    if isinstance(event, Failed | Dropped):
        warnings.warn(str(event), stacklevel=3)


def sweep(
    plan: Plan | Mapping[str, Any],
    *,
    out: str | PathLike[str],
    told: Told = _warn,
    progress: bool | None = None,
) -> list[Record]:
    """Evaluate every variant of ``plan`` that isn't recorded yet, and return all its records.

    For each network, each batch of images is read and decoded once, and the dense network
    and all variants run on it. A variant's record is appended to ``records.jsonl`` in
    ``out`` when its last image is done; a killed run goes on where it was. One of several
    networks that fails is told and left out.

    Args:
        plan: what to evaluate; a mapping of ``network-prune sweep``'s options with
            underscores, e.g. ``{"method": ["weights", "neurons"], "p_prune": [0.1, 0.2]}``.
        out: the study's folder, made if it isn't there.
        told: is given each event as it comes: a network has started or failed, a variant
            has seen another batch or is recorded. By default, failures are warnings.
        progress: show a bar on stderr; None shows it on a terminal only.

    Raises:
        ArgumentError: an option isn't allowed.
        NetworkPruneError: the only network fails.
        RunError: another run writes to ``out``, or nothing can be written there.
        SourceError: what is recorded there can't be read, or a name in it means other bytes now.
    """
    plan = plan if isinstance(plan, Plan) else make_plan(plan)
    check_plan(plan)
    found: list[Record] = []
    with RecordFile(Path(out)) as file:
        if file.dropped:
            told(Dropped(file.path, file.dropped))
        for network, variants in plan.variants.items():
            try:
                study = NetworkStudy(network, variants, plan.options)
            except Exception as error:
                told(_failed(network, error, plan))
                continue
            study.check_names(file.records.values())
            network_pass = NetworkPass(study, variants, file, told)
            try:
                network_pass.run(progress=progress)
            except RunError:
                raise
            except Exception as error:
                told(_failed(network, error, plan))
            found += network_pass.records()
    return found


def _failed(network: Network, error: Exception, plan: Plan) -> Failed:
    """Return what to tell of one of several networks; raise all that isn't its own doing."""
    if len(plan.variants) == 1:
        raise error
    if isinstance(error, NetworkPruneError):
        return Failed(network, error)
    if is_out_of_memory(error):
        return Failed(network, RunError(OUT_OF_MEMORY))
    raise error


def check_plan(plan: Plan) -> None:
    """Find out before any network is loaded what would be refused for each.

    Raises:
        NetworkPruneError: an option or the data fits no network.
    """
    options = plan.options
    check_options(amp=options["amp"], amp_dtype=options["amp_dtype"], dtype=options["dtype"])
    scores = {settings.score: None for each in plan.variants.values() for settings in each}
    for score in scores:
        parse_score(score)
    network = next(iter(plan.variants))
    inputs = choose_inputs(network, options)
    inputs.choose_device()
    data = inputs.data_for([each.arch for each in plan.variants])
    inputs.check(data)
    asked = (options["score_data"], options["score_images"])
    chosen = choose_score_data(list(scores), data, spec=asked[0], count=asked[1])
    if chosen is not None:
        inputs.check_score_data(chosen.spec, data)
