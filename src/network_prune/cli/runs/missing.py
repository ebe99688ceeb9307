"""What the shards of a study have done, and what brings the rest."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Final

from network_prune.results.parts.cut_file import Cut
from network_prune.results.parts.parts import Parts

_SHOWN: Final = 12


def shard_lines(study: Path) -> list[str]:
    """Return what is missing of the shards in a study's folder; nothing if there are none.

    Raises:
        SourceError: what is there can't be read.
    """
    cut = Cut.read(study)
    if cut is None:
        return []
    parts = Parts(study, cut)
    warnings = [f"warning: {notice}" for notice in parts.notices]
    units = Counter(unit.shard for unit in cut.units)
    missing = Counter(unit.shard for unit in parts.missing())
    merging = f"network-prune records merge {shlex.quote(str(study))}"
    if not missing:
        return [*warnings, f"all {cut.shards} shards are done; {merging} puts them together"]
    if "--engine" in shlex.split(cut.command):
        done = len(cut.units) - missing.total()
        return [
            *warnings,
            f"{done} of {len(cut.units)} parts are done; what is missing comes with",
            f"  {cut.command}",
            f"{merging} records what is finished so far",
        ]
    done = len(units) - len(missing)
    command = cut.command or "the same sweep with"
    return [
        *warnings,
        f"{done} of {len(units)} shards are done; what is missing comes with",
        *(
            f"  {command} --shard {shard}/{cut.shards}  ({count} of {units[shard]} parts)"
            for shard, count in sorted(missing.items())[:_SHOWN]
        ),
        *([f"  and {len(missing) - _SHOWN} more"] if len(missing) > _SHOWN else []),
        f"{merging} records what is finished so far",
    ]
