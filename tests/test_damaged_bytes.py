"""Records, outcomes and states with any bit changed or the end cut off are right or told."""

import random
import warnings

import pytest

from network_prune import NetworkPruneError, Study, load_study, load_transfer, sweep, transfer
from tests.transfer.tiny import plan, quiet

PLAN = {"method": "weights", "p_prune": [0.2, 0.4, 0.6], "limit": 20, "batch_size": 10}


def sizes(usual, whole):
    return pytest.mark.parametrize("size", [usual, pytest.param(whole, marks=pytest.mark.slow)])


def looked_at(load, folder):
    """Return by key the records with what belongs to them, and whether damage was told."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = load(folder)
        except NetworkPruneError:
            return {}, True
    return {record["key"]: (record, piece_of(found, record)) for record in found}, bool(told)


def piece_of(found, record):
    """Return what became of each image, None where that is told to be gone."""
    try:
        return (found.outcomes if isinstance(found, Study) else found.predictions)(record)
    except NetworkPruneError:
        return None


def check(load, folder, whole, *, may_lack_lines=False):
    """Each record and outcome is the undamaged one; what is missing of the records is told."""
    found, is_told = looked_at(load, folder)
    assert is_told or may_lack_lines or found.keys() == whole.keys()
    for key, (record, piece) in found.items():
        assert record == whole[key][0]
        assert piece is None or repr(piece) == repr(whole[key][1])


@pytest.fixture(scope="module", params=["study", "transfer"])
def recorded(request, tmp_path_factory):
    """What loads a folder, the folder, and what is in it."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "study":
        sweep(PLAN, out=folder)
        return load_study, folder, looked_at(load_study, folder)[0]
    transfer(plan(), out=folder, told=quiet)
    return load_transfer, folder, looked_at(load_transfer, folder)[0]


@sizes(120, 2000)
def test_no_changed_bit_is_believed(recorded, size):
    load, folder, whole = recorded
    chance = random.Random(size)
    files = sorted(folder.glob("*.jsonl"))
    for _ in range(size):
        path = chance.choice(files)
        content = path.read_bytes()
        place, bit = chance.randrange(len(content)), 1 << chance.randrange(8)
        try:
            path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            check(load, folder, whole)
        finally:
            path.write_bytes(content)


@sizes(40, 100_000)
def test_what_is_cut_off_anywhere_is_told(recorded, size):
    load, folder, whole = recorded
    for path in folder.glob("*.jsonl"):
        content = path.read_bytes()
        start = len(b"".join(content.splitlines(keepends=True)[:-2]))
        step = max(1, (len(content) - start) // size)
        try:
            for end in range(start, len(content), step):
                path.write_bytes(content[:end])
                check(load, folder, whole, may_lack_lines=content[:end][-1:] in (b"", b"\n"))
        finally:
            path.write_bytes(content)
