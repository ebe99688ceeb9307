"""``network-prune bench``: networks dense, masked and removed, side by side."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from network_prune.cli.forms import show
from network_prune.cli.one_variant import GRID, ONE, PREPROCESSING, load_one, one_variant
from network_prune.cli.output import OUTPUT, Json, Output, check_writable, hand_over
from network_prune.cli.takes import takes
from network_prune.display.table import Column, Table
from network_prune.errors import ArgumentError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from network_prune.evaluation.variant import Variant
    from network_prune.sources.networks.load import LoadedNetwork

Repeats = Annotated[int, typer.Option(help="How often to time each on a batch.", min=1)]
Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        help="Write the rows to this CSV file, with the columns of timm's benchmark first.",
        rich_help_panel=OUTPUT,
    ),
]
_SPEED = ("channels_last", "fold", "compile", "dtype", "amp", "amp_dtype")
_RUNNING = ("device", "batch_size", *_SPEED)
_GOES = (7, 0, 0, 3, 2, 0, 5, 4, 6, 1)  # in which order columns go where room is short
_OWN = {"batch_size": 1, "method": ("neurons",)}


@takes(
    [*GRID, "with_norm", *_RUNNING, "cache_dir", *PREPROCESSING],
    one=[name for name in ONE if name != "arch"],
    own_defaults=_OWN,
)
def bench_command(
    values: dict[str, Any],
    repeats: Repeats = 100,
    as_json: Json = False,
    output: Output = None,
    csv_file: Csv = None,
) -> None:
    """Time networks dense, masked and with silenced neurons removed, on a batch of noise.

    They take turns, so that what else the machine does meets all alike. Masks
    alone make nothing faster; p_prune 0 times the dense networks.

    Example: network-prune bench --arch resnet18 --weights none --p-prune 0.5 --scope layer
    """
    if output is not None and csv_file == output:
        raise ArgumentError(f"--output and --csv name one file, {output}; pass two")
    check_writable(output, csv_file)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler's own log isn't for people
    values, variant = one_variant(values, "bench")
    rows: list[dict[str, Any]] = []
    for group in _alike([load_one({**values, "arch": (arch,)}) for arch in values["arch"]]):
        rows += _bench(group, values, variant, repeats, is_told=not as_json)
    hand_over(rows, as_json=as_json, path=output)
    if csv_file is not None:
        from network_prune.reports.exports import write_csv

        write_csv(lambda: rows, csv_file)


def _alike(networks: "Sequence[LoadedNetwork]") -> "Iterable[list[LoadedNetwork]]":
    """Return the networks that take images of one size together, which are timed in turn."""
    found: dict[tuple[int, ...], list[LoadedNetwork]] = {}
    for network in networks:
        found.setdefault(network.preprocessing.shape, []).append(network)
    return found.values()


def _bench(
    networks: "Sequence[LoadedNetwork]",
    values: Mapping[str, Any],
    variant: "Variant",
    repeats: int,
    *,
    is_told: bool,
) -> list[dict[str, Any]]:
    """Time networks and their kin, and print how; return the rows."""
    from network_prune.deploy.bench.bench import bench
    from network_prune.deploy.bench.benched import TITLES
    from network_prune.evaluation.device import choose_device
    from network_prune.pruning.forward import move_images

    device = choose_device(values["device"])
    noise = _noise(networks[0], values["batch_size"])
    timed: dict[str, nn.Module] = {}
    forms: list[dict[str, Any]] = []
    notes: list[str] = []
    for network in networks:
        batch = move_images(noise, network.model.to(device))
        kin, own = _kin(network, variant, batch, with_norm=bool(values["with_norm"]))
        timed |= {f"{network.name} {form}": model for form, model in kin.items()}
        forms += [{"model": network.name, "form": form} for form in kin]
        notes += [f"{network.name}: {note}" for note in (*own, *network.notes)]
    found = bench(timed, noise, repeats=repeats, **{name: values[name] for name in _SPEED})
    if is_told:
        columns = [Column(title, goes=goes) for title, goes in zip(TITLES[1:], _GOES, strict=True)]
        parts = [
            "",
            f"{variant.method}, p_prune {variant.p_prune_text}, p_bern {variant.p_bern:g}",
            found.where,
            Table([Column(TITLES[0], is_words=True), *columns], list(found.cells())),
            *(f"note: {note}" for note in notes),
        ]
        show(parts, plain=True)
    return [{**row, **form} for row, form in zip(found.to_dicts(), forms, strict=True)]


def _noise(network: "LoadedNetwork", count: int) -> "Tensor":
    import torch

    noise = torch.Generator().manual_seed(0)
    return torch.randn(count, *network.preprocessing.shape, generator=noise)


def _kin(
    network: "LoadedNetwork", variant: "Variant", batch: "Tensor", *, with_norm: bool
) -> tuple[dict[str, "nn.Module"], list[str]]:
    """Return the network dense, masked and removed as far as they differ, and what to know."""
    from network_prune.deploy.removal.remove import remove_neurons
    from network_prune.errors import UnsupportedNetworkError
    from network_prune.pruning.faster_copy.copies import independent_copy
    from network_prune.pruning.masks.prune import prune

    kin: dict[str, nn.Module] = {"dense": network.model}
    (variant,) = variant.spelt_out(network.model)
    prunable = variant.rank(network.model)
    draw = prunable.draw(p_bern=variant.p_bern, seed=variant.seed, index=variant.index)
    if not sum(draw.elements.counts.values()):
        return kin, []
    kin["dense"] = independent_copy(network.model, aim="to time it", remedy="use another one")
    with prune(network.model, draw, with_norm=with_norm):
        kin["masked"] = independent_copy(network.model, aim="to time it", remedy="use another one")
        try:
            removed = remove_neurons(network.model, batch[:1], repeats=0)
        except UnsupportedNetworkError as error:
            return kin, [str(error)]
    if not removed.cut:
        return kin, [removed.line]
    return {**kin, "removed": removed.model}, [removed.line]
