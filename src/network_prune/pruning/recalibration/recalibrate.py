"""Re-estimate the statistics of a network's BatchNorms as it computes now, e.g. under masks."""

from typing import Any

from network_prune.core.usual_settings import check_no_transform
from network_prune.errors import UnsupportedNetworkError
from network_prune.options import OPTIONS, check_options
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.recalibration.estimate import estimate
from network_prune.pruning.recalibration.images_alone import images_alone
from network_prune.pruning.recalibration.statistics import put_on
from network_prune.pruning.surrogates.wrapper import Wrapper
from network_prune.pruning.unfinished import Turn, settling

_BATCH_SIZE: int = OPTIONS["batch_size"].default


@settling
def recalibrate(model: AnyNetwork, data: Any, *, batch_size: int = _BATCH_SIZE) -> tuple[str, ...]:
    """Estimate the running statistics of every BatchNorm anew, on ``data``, without labels.

    A network's BatchNorms know the means and variances of the dense network. Under masks, or
    under a `Redrawer`'s draw, their inputs have others. This computes them over all images,
    with everything else in eval mode: each norm takes its batch's own statistics meanwhile, as
    in training, and gets mean and unbiased variance over all batches together.

    That is what torch.optim.swa_utils.update_bn does, but that (1) turns dropout and stochastic
    depth on, (2) takes the mean of the batches' variances, in which a small last batch counts as
    much as a full one and what differs between batches is lost, and (3) leaves a network that it
    fails on half changed. For equal batches the means agree up to rounding.

    As norms take the statistics of batches, these should be large and mixed: of shuffled
    data, not class by class.

    Side effects, until `restore` or the end of the ``with`` block of `prune` or `Redrawer`:

    1. each norm's ``running_mean``, ``running_var`` and ``num_batches_tracked``, the number of
       batches, are other tensors;
    2. those from before are kept aside as buffers ``running_mean_orig`` and so on, which no
       state_dict has; the same tensors come back, whatever was trained meanwhile.

    If it fails or is interrupted, the network is as it was. `make_permanent` keeps the new
    statistics. A redraw leaves them as they are: call this again for the new draw.

    Args:
        model: the network, dense or pruned, in any mode; it is in the same afterwards.
        data: what `evaluate` takes, e.g. ``load_data(...).batches(limit=256)`` or a DataLoader;
            or images alone, all in one tensor ``[n, C, H, W]`` or an iterable of batches.
            Labels aren't looked at.
        batch_size: images a batch; batches as they come stay as they are.

    Returns:
        The paths of the norms that have new statistics: BatchNorm1d, 2d, 3d and SyncBatchNorm,
        and what derives from them. Those that track none have nothing to estimate, those that the
        network doesn't run in eval mode keep theirs.

    Raises:
        ArgumentError: a value is outside what is allowed; the data gives no images, something
            else, or a batch with one value of a channel, which has no variance.
        StateError: what is pruned isn't in eval mode; or this is inside a torch.func transform.
        UnsupportedNetworkError: the network has no BatchNorm with running statistics, runs none,
            fails, or gives one NaN or infinity; it draws anew in each forward; a norm has no size
            yet or computes with other processes.

    Source: arXiv 1803.05407, section 3.2 (after averaging); arXiv 2007.02491, section 3 (after
    pruning); arXiv 2105.07576, section 3 (over all batches together).
    """
    check_no_transform()
    (batch_size,) = check_options(batch_size=batch_size)
    model = module_of(model)
    _refuse_redrawing(model)
    paths = {module: path for path, module in model.named_modules()}
    with Turn(model):
        statistics = estimate(model, images_alone(data, batch_size))
        put_on(statistics)
    return tuple(paths[norm] for norm in statistics)


def _refuse_redrawing(model: Any) -> None:
    for path, module in model.named_modules():
        if isinstance(module, Wrapper):
            where = f"layer {path!r}" if path else "the model"
            raise UnsupportedNetworkError(
                f"{where} is a {type(module).__name__}, which computes another draw in each "
                "forward, so no statistics fit; pass a network under one draw (prune, Redrawer)"
            )
