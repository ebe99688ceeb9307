"""``network-prune retrain``: prune a network and train what is left."""

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.forms import show
from network_prune.cli.one_variant import ONE, one_variant
from network_prune.cli.output import (
    OUTPUT,
    Json,
    Output,
    check_writable,
    hand_over,
    mention,
    say,
    saying_where_it_goes_on,
    waiting,
)
from network_prune.cli.takes import takes
from network_prune.deploy.retraining.options import RETRAINING
from network_prune.display.terminal import head_lines, shown_width, wrapped
from network_prune.errors import ArgumentError, RunError
from network_prune.options import defaults

if TYPE_CHECKING:
    from network_prune.deploy.retraining.history import Epoch
    from network_prune.deploy.retraining.inputs import RetrainingInputs
    from network_prune.deploy.retraining.retrained import Retrained
    from network_prune.evaluation.variant import Variant
    from network_prune.reports.retraining import EpochRows

CHECKPOINT = "checkpoint"
HISTORY = "history.csv"

Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the checkpoint that a stopped run goes on from, the weights with masks as "
        "zeros, the draw, and what became of each epoch.",
        rich_help_panel=OUTPUT,
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        help="Draw the accuracy after each epoch to this .svg, .png or .pdf file; needs the extra "
        "[report].",
        rich_help_panel=OUTPUT,
    ),
]
_SAID = (
    "schedule",
    "rounds",
    "epochs",
    "optimizer",
    "lr",
    "decay",
    "distill",
    "temperature",
    "batch_size",
    "workers",
    "skip_unreadable",
    "amp",
    "amp_dtype",
    "checkpoint_steps",
)


@takes(
    list(RETRAINING),
    one=ONE,
    own_defaults={"method": ("weights",), "p_prune": (0.9,)},
    options=RETRAINING,
)
def retrain_command(
    given: dict[str, Any],
    out: Out = None,
    as_json: Json = False,
    output: Output = None,
    plot: Plot = None,
) -> None:
    """Prune a network, train what is left, and show what that brings back.

    With --schedule linear or cubic it is pruned in several rounds, and trained in
    each. Figures are of the dense network, the pruned one and the retrained one.

    Alone it runs on an embedded network and its training digits. Example:
    network-prune retrain --arch resnet18 --data TRAIN --validation VAL --p-prune 0.8 --out FOLDER
    """
    said, variant = one_variant(given, "retrain")
    values = {**said, **defaults(RETRAINING), **given, "arch": said["arch"]}
    _check_together(given, values)
    check_writable(output, plot)
    if out is not None:
        _check_out(out)
    with waiting("importing PyTorch"):
        from network_prune.deploy.retraining.inputs import load_inputs
        from network_prune.display.canvas import check_plot
        from network_prune.evaluation.device import choose_device
        from network_prune.evaluation.memory import kept_memory
        from network_prune.reports.exports import write_csv
        from network_prune.reports.retraining import EpochRows, draw_history, retrained_parts

    if plot is not None:
        check_plot(plot)
    device = choose_device(values["device"])
    tell = partial(mention, to=sys.stderr) if as_json else mention
    inputs = load_inputs(values)
    (variant,) = variant.spelt_out(inputs.network.model)
    inputs.network.model.to(device)
    width = shown_width(sys.stderr if as_json else sys.stdout)
    _say_head(inputs, values, variant, str(device), tell if as_json else say, width)
    rows = EpochRows(width)
    told = _Told(tell, sys.stdout, rows)
    # What a network prints isn't the command's output.
    with saying_where_it_goes_on(out), redirect_stdout(sys.stderr), kept_memory(device):
        result = _retrain(inputs, values, variant, out, told)
    if not as_json:
        show(retrained_parts(result))
    if out is not None:
        result.save(out)
        write_csv(lambda: [epoch.to_row() for epoch in result.history], out / HISTORY)
        tell("", f"the weights with zeros, the draw and the history are in {out}")
    hand_over(result.to_dict(), as_json=as_json, path=output)
    if plot is not None:
        draw_history(result.history, plot)


def _check_together(given: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Refuse options that mean nothing beside others."""
    meaningless = {
        "momentum": (values["optimizer"] != "sgd", "goes with --optimizer sgd; leave it out"),
        "temperature": (not values["distill"], "goes with --distill; pass both, or leave it out"),
        "val_split": (
            values["validation"] is not None,
            "and --validation exclude each other; pass one",
        ),
    }
    for name, (is_so, why) in meaningless.items():
        if name in given and is_so:
            raise ArgumentError(f"--{name.replace('_', '-')} {why}")


def _retrain(
    inputs: "RetrainingInputs",
    values: Mapping[str, Any],
    variant: "Variant",
    out: Path | None,
    told: "_Told",
) -> "Retrained":
    from network_prune.deploy.retraining.retrain import retrain

    by_name: Mapping[str, tuple[str, ...]] = {"sgd": ("momentum", "weight_decay")}
    names = by_name.get(values["optimizer"], ("weight_decay",))
    return retrain(
        inputs.network,
        inputs.data,
        p_bern=variant.p_bern,
        seed=values["seed"],
        index=values["index"],
        with_norm=values["with_norm"],
        validation=inputs.validation,
        test=inputs.test,
        checkpoint=None if out is None else out / CHECKPOINT,
        told=told,
        **variant.ranked_as(),
        **{name: values[name] for name in (*_SAID, *names)},
    )


class _Told:
    """Prints a row for each epoch that is done.

    Args:
        tell: prints lines.
        stdout: where they go, though a network's own prints don't.
        rows: makes a line of each.
    """

    def __init__(self, tell: Any, stdout: Any, rows: "EpochRows") -> None:
        self._tell, self._stdout, self._rows = tell, stdout, rows
        self._has_head = False

    def __call__(self, epoch: "Epoch") -> None:
        from network_prune.display.progress import above_bars

        head = [] if self._has_head else self._rows.head()
        with above_bars(), redirect_stdout(self._stdout):
            self._tell(*head, self._rows.row(epoch))
        self._has_head = True


def _say_head(
    inputs: "RetrainingInputs",
    values: Mapping[str, Any],
    variant: "Variant",
    device: str,
    tell: Any,
    width: int | None,
) -> None:
    network, test = inputs.network, inputs.test
    augmented = ", cut and mirrored at random" if inputs.augmented else ""
    rounds = f" in {values['rounds']} rounds" if values["rounds"] else ""
    learns = "the dense network's outputs" if values["distill"] else "labels"
    lines = {
        "network": f"{network.name}, weights {network.weights}",
        "training": f"{inputs.data.name}, {inputs.data.n} images{augmented}; learns {learns}",
        "validation": f"{inputs.validation.name}, {inputs.validation.n} images",
        "test": "those of the validation" if test is None else f"{test.name}, {test.n} images",
        "pruning": f"{variant.method}, p_prune {variant.p_prune_text}, p_bern {variant.p_bern:g}, "
        f"{values['schedule']}{rounds}",
        "device": device,
    }
    notes = dict.fromkeys([*network.notes, *inputs.data.notes, *inputs.validation.notes])
    warnings = wrapped((f"warning: {note}" for note in notes), width)
    tell(*head_lines(lines, width=width), *warnings, "")


def _check_out(out: Path) -> None:
    """Refuse a folder that holds something else, and make it where it isn't there.

    Raises:
        ArgumentError: it does.
        RunError: it can't be made.
    """
    if out.exists() and (not out.is_dir() or any(path.name[0] != "." for path in out.iterdir())):
        if not (out / CHECKPOINT).exists():
            raise ArgumentError(
                f"out={str(out)!r} is there already and holds no retraining; pass a new folder"
            )
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write {out}: {error.strerror or error}") from None
