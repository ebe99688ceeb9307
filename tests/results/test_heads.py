"""Lines that begin as others do are looked at as strictly as those that are looked at whole."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest

from network_prune import sweep
from network_prune.errors import SourceError
from network_prune.results.lines.record_lines import RecordLines
from network_prune.results.records import FILE, STUDY, read_records
from tests.exchanged_parts import MISSING, VALUES, exchanged, forged_line, places

PLANS = [
    {"method": "weights", "p_prune": [0.2, 1.0], "scope": ["global", "layer"]},
    {"method": "weights", "p_prune": {"layer1*": 1e-5, "*": 0.5}},
    {"method": "neurons", "p_prune": 0.2, "with_norm": True, "score": "taylor"},
    {"method": "connections", "p_prune": 0.2, "floor": 0.1, "layers": "conv2d,linear"},
    {"method": "weights", "p_prune": 0.2, "recalibrate": 4},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studies")


@pytest.mark.parametrize("number", range(len(PLANS)))
def test_of_what_a_run_writes_one_line_alone_is_looked_at_whole(folder, number):
    whole = []
    form = replace(STUDY, check=lambda record: whole.append(STUDY.check(record)))
    plan = {**PLANS[number], "p_bern": 0.5, "draws": 2, "limit": 8, "batch_size": 8}
    sweep(plan, out=folder / str(number))
    lines = (folder / str(number) / FILE).read_bytes().splitlines()
    records = RecordLines(folder, form)
    for place, line in enumerate(lines, start=1):
        records.take(line, place)
    assert len(lines) > 2
    assert len(whole) == len(list(records.heads()))


def looked_at(path, *lines):
    """What is told of the last line, or its record."""
    (path / FILE).write_bytes(b"".join(line + b"\n" for line in lines))
    try:
        records, notices = read_records(path)
        found = str(notices[-1]) if notices else repr(list(records.values())[-1])
    except SourceError as error:
        found = str(error)
    return found.replace(f"line {len(lines)} ", "")


def forged(record):
    """A record's line as a stranger makes it, with its own key if it can have one."""
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        record["key"] = STUDY.key(record)
    return forged_line(json.dumps(record, separators=(",", ":")).encode())


@pytest.fixture(scope="module")
def lines(folder):
    """Those of two draws."""
    sweep({"method": "weights", "p_bern": 0.5, "limit": 8, "draws": 3}, out=folder / "draws")
    return (folder / "draws" / FILE).read_bytes().splitlines()[-2:]


@pytest.mark.parametrize("name", VALUES)
def test_behind_a_known_head_anything_is_told_as_elsewhere(lines, tmp_path, name):
    other, line = lines
    assert looked_at(tmp_path, line, other) == looked_at(tmp_path, other)
    record = json.loads(other.rpartition(b',"crc32"')[0] + b"}")
    own = list(record)[list(record).index("variant") :]
    known = [place for place in places(record) if place[0] in own]
    more = [(part, "another") for part in own if isinstance(record[part], dict)]
    for place in known if VALUES[name] is MISSING else [*known, *more]:
        last = forged(exchanged(record, place, VALUES[name]))
        assert looked_at(tmp_path, line, last) == looked_at(tmp_path, last), place
