"""``network-prune eval``: a pruned network's loss and accuracy."""

from typing import Any

from network_prune.cli.forms import Format, form_of
from network_prune.cli.output import Json, Output, check_writable, waiting
from network_prune.cli.runs.plan_option import PlanFile, Preset, plan_of
from network_prune.cli.takes import takes
from network_prune.options import OPTIONS


@takes(OPTIONS)
def evaluate_command(
    values: dict[str, Any],
    plan: PlanFile = None,
    preset: Preset = None,
    as_json: Json = False,
    format: Format = None,
    output: Output = None,
) -> None:
    """Prune a network, evaluate it beside the dense one, and restore it.

    Acc@1 to dense is the difference on the same images, with its paired 95%
    interval. Images are read once for all rows, but computed for each:
    --no-dense leaves the dense network out, and with it half the time of two rows.

    Alone it runs on an embedded network and data. With ImageNet on disk:
    network-prune eval --arch resnet18 --data FOLDER --method weights --p-prune 0.2 --p-bern 0.5

    It is a sweep that keeps no folder: it takes the same plans, options may
    have several values, and their JSON is the list of records that sweep
    would write. Several networks, by --arch more than once or by wildcards,
    are evaluated in turn. One that fails is a row with its error,
    {"network": {"name": …}, "error": …} in JSON, and the command ends with 1.
    """
    form = form_of(format, as_json=as_json)
    made = plan_of(plan, preset, values)
    check_writable(output)

    with waiting("importing PyTorch"):
        from network_prune.cli.runs.study_run import run_study

    run_study(made, form=form, path=output)
