"""A study that several processes share, as one: what is recorded before and after."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from network_prune.results.lines.notices import Told
from network_prune.results.outcome_store import StoredOutcomes
from network_prune.results.parts.cut_file import Cut
from network_prune.results.parts.merge import merge
from network_prune.results.parts.merged_file import read_merged
from network_prune.results.parts.parts import Parts
from network_prune.results.records import FILE, Record, read_records
from network_prune.results.study import Study


def recorded(out: Path, told: Told) -> tuple[Mapping[str, Record], Iterable[Record]]:
    """Return the records in a folder by key, and those of them that say something new of inputs."""
    if not (out / FILE).exists():
        return {}, ()
    records, notices = read_records(out)
    for notice in notices:
        told(notice)
    return records, records.heads()


def put_together(out: Path, cut: Cut, told: Told) -> Study:
    """Return the plan's records if nothing of the cut is missing, and none before."""
    if Cut.read(out) is not None and not Parts(out, cut).missing():
        merge(out, told)
    return read_whole(cut.plan, out, told)


def put_together_so_far(out: Path, cut: Cut, told: Told) -> Study:
    """Return those of the plan's records whose units are done."""
    merge(out, told)
    if Cut.read(out) is None:
        return read_whole(cut.plan, out, told)
    records, _ = recorded(out, told)
    keys = Parts(out, cut).done_keys()
    found = (records[key] for key in keys if key in records)
    return Study(found, StoredOutcomes(out), source=str(out))


def read_whole(plan: str, out: Path, told: Told) -> Study:
    """Return a plan's records if its shards were put together and all of them are there.

    Args:
        plan: what `plan_hash` returns.
        out: the study's folder.
        told: is given what to know of lines that were left out.
    """
    keys = read_merged(out, plan)
    if keys is None:
        return Study([], source=str(out))
    records, _ = recorded(out, told)
    found = [records[key] for key in keys] if all(key in records for key in keys) else []
    return Study(found, StoredOutcomes(out), source=str(out))
