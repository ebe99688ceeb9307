"""Measure a network's loss and accuracy on labelled images."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import nn

from network_prune.core.usual_settings import check_no_transform
from network_prune.display.text import warn
from network_prune.errors import ArgumentError
from network_prune.evaluation.first_look import look_first
from network_prune.evaluation.metrics import Metrics, Samples
from network_prune.evaluation.one_pass import Sums, chunks
from network_prune.evaluation.reading import Images, Reading
from network_prune.evaluation.runner import Runner
from network_prune.options import OPTIONS, check_options
from network_prune.pruning.faster_copy.prepare import Speed, prepare
from network_prune.pruning.forward import device_of, eval_mode
from network_prune.pruning.given import AnyNetwork, module_of
from network_prune.pruning.state import pruned_weights
from network_prune.pruning.unfinished import settling
from network_prune.sources.data.loaded import LoadedData
from network_prune.sources.data.pictures import Batches, LabelledImages

# What says of itself which outputs are in the running.
_KNOWN = (LoadedData, LabelledImages, Batches)
_BATCH_SIZE: int = OPTIONS["batch_size"].default
_AMP_DTYPE: str = OPTIONS["amp_dtype"].default


@settling
def evaluate(
    model: AnyNetwork,
    data: Images,
    *,
    batch_size: int = _BATCH_SIZE,
    workers: int | None = None,
    amp: bool = False,
    amp_dtype: str = _AMP_DTYPE,
    skip_unreadable: bool = False,
    progress: bool | None = None,
    label: str = "evaluate",
    channels_last: bool = True,
    fold: bool = True,
    compile: bool = False,
    dtype: str | None = None,
) -> Metrics:
    """Return loss, Acc@1 and Acc@5 of ``model`` over all of ``data``.

    The network runs on the device and in the dtype of its first parameter, in eval
    mode and without gradients. As a rule a copy runs that is laid out anew and has its
    BatchNorms folded, which is faster and changes the logits' rounding; with
    ``channels_last`` and ``fold`` off, or where no safe copy can be made, ``model``
    runs itself, and each module's training flag is put back afterwards. On the CPU,
    `kept_memory` around many calls makes them faster.

    Args:
        model: a module, or what `load_network` returned; maps images ``[n, C, H, W]`` to
            logits ``[n, classes]``.
        data: what `load_data` returned, a dataset of samples (image, label), an iterable
            of such or of batches (images, labels) such as a DataLoader, or one pair of all.
            Images are floating, labels class numbers in any integer dtype, ``[n]`` or
            ``[n, 1]``, as tensors, arrays or lists; what follows the two is passed over.
            Samples and batches may be mappings with the usual names, e.g. ``pixel_values``
            and ``labels``.
        batch_size: images a batch; batches as they come stay as they are.
        workers: processes that decode images; None takes one a core, at most one a
            batch, for images in files and none otherwise. Unused but for datasets.
        amp: compute under torch.autocast; nothing is folded then.
        amp_dtype: ``bfloat16`` or ``float16``, for ``amp``.
        skip_unreadable: leave images out that can't be read, and count them, instead
            of raising. Unused but for datasets.
        progress: show a bar on stderr; None shows it on a terminal and in a notebook only.
        label: what the bar says.
        channels_last: lay out images and convolutions' weights with the channels last.
        fold: fold each BatchNorm into the convolution before it.
        compile: compile the copy by torch.compile.
        dtype: ``bfloat16`` or ``float16`` to cast the copy to, not along with ``amp``.

    Raises:
        ArgumentError: a value is outside what is allowed, or the data gives something else.
        StateError: what is pruned isn't in eval mode; or this is inside a torch.func transform.
        SourceError: there are no images, one can't be read, or a label has no output.
        UnsupportedNetworkError: the network fails, its output isn't a tensor
            ``[n, classes]``, or it can't be copied to compile or cast it.
    """
    check_no_transform()
    model = module_of(model)
    check_options(batch_size=batch_size, workers=workers, amp_dtype=amp_dtype, dtype=dtype)
    check_precision({"amp": amp, "dtype": dtype})
    speed = Speed(
        channels_last=channels_last,
        fold=fold,
        compile=compile,
        dtype=dtype,
        amp_dtype=amp_dtype if amp else None,
    )
    found = evaluate_sums(
        model,
        data,
        speed,
        label=label,
        batch_size=batch_size,
        workers=workers,
        skip_unreadable=skip_unreadable,
        progress=progress,
    )
    warn(found.warnings, stacklevel=3)
    return found.sums.metrics


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a network did with images.

    Attributes:
        sums: with the seconds that it took and the images that were left out.
        warnings: what to know of it.
    """

    sums: Sums
    warnings: Sequence[str]


def evaluate_sums(
    model: nn.Module,
    data: Images,
    speed: Speed,
    *,
    dense: Samples | None = None,
    is_dense: bool = False,
    **reading: Any,
) -> Evaluated:
    """Return what ``model`` does with all of ``data``.

    Args:
        model: the network, as `evaluate` takes it.
        data: the images, as `evaluate` takes them.
        speed: how it is made faster.
        dense: what the dense network did with the same images, to compare with.
        is_dense: keep each image's loss.
        **reading: arguments of `Reading`.

    Raises:
        NetworkPruneError: what `evaluate` raises.
    """
    runner = Runner(
        prepare(model, speed),
        amp_dtype=speed.amp_dtype,
        outputs=data.outputs if isinstance(data, _KNOWN) else None,
    )
    sums, start = Sums(), time.perf_counter()
    layers, look = list(pruned_weights(model)), None
    with (
        eval_mode(runner.prepared.model, partial(pruned_weights, runner.prepared.model)),
        torch.no_grad(),
        Reading(data, pin_memory=device_of(model).type == "cuda", **reading) as read,
    ):
        for chunk in chunks(read, held_bytes=0):
            if look is None:
                look = look_first(runner, model, speed, chunk.batches[0], layers)
            if dense is not None:
                chunk.know_dense(dense.at(range(sums.metrics.n, sums.metrics.n + len(chunk))))
            for part in chunk.evaluate(runner, is_dense=is_dense):
                sums += part
                read.advance(part.metrics.n)
    seconds = time.perf_counter() - start
    more = Metrics(unreadable=len(read.left_out), seconds=seconds)
    return Evaluated(
        replace(sums, metrics=sums.metrics + more), look.warnings(layers) if look else ()
    )


def check_precision(options: Mapping[str, Any]) -> None:
    """Refuse a dtype along with mixed precision.

    Raises:
        ArgumentError: both are asked for.
    """
    if options["amp"] and options["dtype"] is not None:
        raise ArgumentError(
            f"dtype={options['dtype']!r} and amp=True exclude each other; pass one of them "
            "(--dtype, --amp)"
        )
