"""``network-prune eval``: a pruned network's loss and accuracy."""

from network_prune.cli import options
from network_prune.cli.inputs import takes_inputs
from network_prune.cli.result import check_writable
from network_prune.errors import ArgumentError
from network_prune.evaluation.variant import PruneSettings
from network_prune.sources.inputs import Inputs
from network_prune.study.score_data import choose_score_data


@takes_inputs
def evaluate_command(
    inputs: Inputs,
    arch: options.Archs = None,
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
    amp: options.Amp = False,
    amp_dtype: options.AmpDtype = "bfloat16",
    channels_last: options.ChannelsLast = True,
    fold: options.Fold = True,
    compile: options.Compile = False,
    dtype: options.Dtype = None,
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
    asked = arch or ["digits"]
    indices = _indices(settings, draws)
    data = inputs.data_for(asked)
    learn_from = choose_score_data([score], data, spec=score_data, count=score_images)
    check_writable(output)

    from network_prune.cli.evaluation import Task
    from network_prune.cli.runs import evaluate_one, evaluate_several

    task = Task(
        inputs=inputs,
        data=data,
        settings=settings,
        indices=indices,
        score_data=learn_from,
        amp=amp,
        amp_dtype=amp_dtype,
        channels_last=channels_last,
        fold=fold,
        compile=compile,
        dtype=dtype,
        device=inputs.choose_device(),
    )
    task.check()
    names = _several(asked, inputs.weights)
    if names is None:
        evaluate_one(asked[0], task, as_json=as_json, path=output)
    else:
        evaluate_several(names, task, as_json=as_json, path=output)


def _several(asked: list[str], weights: str) -> list[str] | None:
    """Return the networks that ``asked`` stands for, None if it is the name of a single one."""
    from network_prune.sources.networks.catalogue import expand, is_pattern
    from network_prune.sources.networks.weights import is_weights_file

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
