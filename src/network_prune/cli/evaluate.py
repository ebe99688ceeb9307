"""``network-prune eval``: a pruned network's loss and accuracy."""

import os
from pathlib import Path

from network_prune.cli import options
from network_prune.cli.settings import PruneSettings, choose_score_data, preprocessing_options
from network_prune.errors import ArgumentError, RunError


def evaluate_command(
    arch: options.Archs = None,
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
    score_data: options.ScoreData = None,
    score_images: options.ScoreImages = None,
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

    Several networks, by --arch more than once or by wildcards, are evaluated in
    turn. One that fails is a row with its error, and the command ends with 1.
    Their JSON is one object: asked, the names, and networks, a list that holds
    for each what it gives alone, or {"network": {"name": …}, "error": …}.
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
    overrides = preprocessing_options(resize, crop, interpolation, mean=mean, std=std)
    asked = arch or ["digits"]
    indices = _indices(settings, draws)
    spec = _data_spec(asked, data)
    learn_from = choose_score_data(settings, spec, spec=score_data, count=score_images)
    _check_writable(output)

    from network_prune.cli.device import choose_device
    from network_prune.cli.evaluation import Task
    from network_prune.cli.runs import evaluate_one, evaluate_several

    task = Task(
        settings=settings,
        indices=indices,
        weights=weights,
        preprocessing=overrides,
        data=spec,
        score_data=learn_from,
        data_options={
            "limit": limit,
            "root": data_root,
            "image_column": image_column,
            "label_column": label_column,
        },
        first_label=first_label,
        skip_unreadable=skip_unreadable,
        batch_size=batch_size,
        workers=workers,
        amp=amp,
        amp_dtype=amp_dtype,
        device=choose_device(device),
        cache_dir=cache_dir,
    )
    task.check()
    names = _several(asked, weights)
    if names is None:
        evaluate_one(asked[0], task, as_json=as_json, path=output)
    else:
        evaluate_several(names, task, as_json=as_json, path=output)


def _several(asked: list[str], weights: str) -> list[str] | None:
    """Return the networks that ``asked`` stands for, None if it is the name of a single one."""
    from network_prune.sources.catalogue import expand, is_pattern
    from network_prune.sources.weights import is_weights_file

    if len(asked) == 1 and not is_pattern(asked[0]):
        return None
    names = expand(asked)
    if len(names) > 1 and is_weights_file(weights):
        raise ArgumentError(
            f"--weights {weights} is a file, which fits one network, not {len(names)}; pass the "
            "networks one at a time, or --weights default, none or a name"
        )
    return names


def _indices(settings: PruneSettings, draws: int) -> range:
    if draws < 1:
        raise ArgumentError(f"draws={draws} is too small; pass 1 or more")
    return range(settings.index, settings.index + draws)


def _data_spec(asked: list[str], data: str | None) -> str:
    if data is not None:
        return data
    arch = next((name for name in asked if name != "digits"), None)
    if arch is None:
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
