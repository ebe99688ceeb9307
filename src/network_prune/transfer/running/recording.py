"""What is kept of a row: what networks take its images for, and its record."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from network_prune.evaluation.mean import Mean
from network_prune.results.records import HeldRecords, Record, RecordFile
from network_prune.transfer.plan import Row, network_name
from network_prune.transfer.predictions import NO_CLASS, Predictions
from network_prune.transfer.running.ready import Ready


def predictions_of(
    row: Row, part: range, ready: Ready, shown: Sequence[Tensor], change: Tensor
) -> Predictions:
    """Return what networks take a batch for, with how far its images were moved.

    Args:
        row: whose images they are.
        part: their positions.
        ready: has networks, labels and targets.
        shown: what networks are shown beside the clean images, as `Predictions` has it: at
            each point, rounded, truncated; float32 ``[n, C, S, S]`` in [0, 1] each.
        change: of pixels at the end, ``[n, C, S, S]``, shares of their range.
    """
    place = slice(part.start, part.stop)
    networks = (*row.surrogates, *row.victims)
    classes = [
        [
            ready.clean[network][place],
            *(ready.networks.predict(network, images) for images in shown),
        ]
        for network in networks
    ]
    labels = ready.images.labels[place]
    is_targeted = row.attack.is_targeted
    flat = change.flatten(1).cpu().double()
    return Predictions(
        networks=tuple(map(network_name, networks)),
        labels=labels,
        targets=ready.images.targets[place] if is_targeted else np.full_like(labels, NO_CLASS),
        classes=np.array(classes),
        linf=flat.abs().amax(1).numpy(),
        l2=flat.norm(dim=1).numpy(),
    )


def keep_record(
    base: Record,
    found: Predictions,
    more: Mapping[str, Any],
    ready: Ready,
    kept: HeldRecords | RecordFile,
) -> Record:
    """Append a row's record, unless it is there, and return it.

    Args:
        base: what decides its figures, with its key.
        found: what networks take all its images for.
        more: what else it says.
        ready: has the images' names.
        kept: where it goes, with what belongs to it.

    Raises:
        RunError: it can't be written.
    """
    key: str = base["key"]
    l2 = Mean.of(found.l2.tolist())
    if key not in kept.records:
        kept.append(
            {
                **base,
                **more,
                "distance": {
                    "linf": float(found.linf.max()),
                    "l2": l2.mean,
                    "l2_interval": l2.to_dict()["interval"],
                },
                "read": {"images": kept.outcomes.put(bytes(ready.images.digests))},
                "predictions": kept.outcomes.put(found.to_bytes()),
                "pictures": kept.outcomes.put(ready.pictures()),
            }
        )
    return kept.records[key]
