"""``network-prune eval``: a pruned network's loss and accuracy."""

import os
from pathlib import Path

from network_prune.cli import options
from network_prune.cli.settings import PruneSettings
from network_prune.errors import ArgumentError, RunError


def evaluate_command(
    arch: options.Arch = "digits",
    weights: options.Weights = "default",
    cache_dir: options.CacheDir = None,
    data: options.Data = None,
    data_root: options.DataRoot = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    method: options.Method = "connections",
    p_prune: options.PPrune = 0.2,
    p_bern: options.PBern = 1.0,
    draws: options.Draws = 1,
    score: options.Score = "l1",
    scope: options.Scope = "global",
    layers: options.Layers = "conv2d",
    include: options.Include = None,
    exclude: options.Exclude = None,
    with_norm: options.WithNorm = False,
    seed: options.Seed = 0,
    index: options.Index = 0,
    limit: options.Limit = None,
    first_label: options.FirstLabel = None,
    skip_unreadable: options.SkipUnreadable = False,
    resize: options.Resize = None,
    crop: options.Crop = None,
    interpolation: options.Interpolation = None,
    mean: options.Mean = None,
    std: options.Std = None,
    batch_size: options.BatchSize = 64,
    workers: options.Workers = None,
    device: options.Device = "auto",
    amp: options.Amp = False,
    amp_dtype: options.AmpDtype = "bfloat16",
    as_json: options.Json = False,
    output: options.Output = None,
) -> None:
    """Prune a network, evaluate it, and restore it.

    Alone it runs on an embedded network and data. With ImageNet on disk:
    network-prune eval --arch resnet18 --data FOLDER --method weights --p-prune 0.2 --p-bern 0.5
    """
    settings = PruneSettings(
        method=method,
        p_prune=p_prune,
        p_bern=p_bern,
        score=score,
        scope=scope,
        layers=layers,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        seed=seed,
        index=index,
        with_norm=with_norm,
    )
    overrides = {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "mean": _numbers("mean", mean),
        "std": _numbers("std", std),
    }
    indices = _indices(settings, draws)
    spec = _data_spec(arch, data)
    _check_writable(output)

    from network_prune.cli.device import choose_device
    from network_prune.cli.report import EvaluationReport
    from network_prune.sources.data import load_data
    from network_prune.sources.networks import load_network
    from network_prune.study.draws import EvaluateOptions, evaluate_draws

    target = choose_device(device)
    network = load_network(arch, weights=weights, preprocessing=overrides, cache_dir=cache_dir)
    prunable = settings.rank(network.model)
    images = load_data(
        spec,
        transform=network.preprocessing.transform(),
        classes=network.classes,
        first_label=first_label,
        limit=limit,
        skip_unreadable=skip_unreadable,
        root=data_root,
        image_column=image_column,
        label_column=label_column,
        cache_dir=cache_dir,
    )
    network.model.to(target)
    running: EvaluateOptions = {
        "batch_size": batch_size,
        "workers": workers,
        "amp": amp,
        "amp_dtype": amp_dtype,
        "skip_unreadable": skip_unreadable,
    }
    report = EvaluationReport(
        network=network,
        data=images,
        settings=settings,
        prunable=prunable,
        running={**running, "device": str(target)},
        show=not as_json,
    )
    for result in evaluate_draws(
        network.model.to(target),
        prunable,
        images,
        p_bern=p_bern,
        seed=seed,
        indices=indices,
        with_norm=with_norm,
        **running,
    ):
        report.add(result)
    report.finish(output)


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"{name}={text!r} isn't numbers; pass e.g. 0.485,0.456,0.406") from None


def _indices(settings: PruneSettings, draws: int) -> range:
    if draws < 1:
        raise ArgumentError(f"draws={draws} is too small; pass 1 or more")
    return range(settings.index, settings.index + draws)


def _data_spec(arch: str, data: str | None) -> str:
    if data is not None:
        return data
    if arch == "digits":
        return "digits"
    raise ArgumentError(
        f"{arch} needs labelled images: pass --data FOLDER (class folders, or one with val/ in "
        f"it, such as ImageNet's), --data FILE.csv, or --data fake:64 for a trial run"
    )


def _check_writable(output: Path | None) -> None:
    """Find out before a long run that its result could not be written."""
    if output is None:
        return
    folder = output.parent
    if output.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise RunError(f"cannot write {output}: pass a file in a folder that exists and is yours")
