"""The file of records: whole lines, one writer, and nothing lost."""

import json
import math
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from network_prune.errors import NetworkPruneError
from network_prune.results.records import FILE, SCHEMA, HeldRecords, RecordFile, read_records
from network_prune.study.identity import describe_versions, record_key
from network_prune.study.sweep import sweep

PREPROCESSING = {"resize": 8, "crop": 8, "interpolation": "bilinear", "mean": [0.5], "std": [1.0]}


def record(key):
    running = ("batch_size", "dtype", "amp", "device", "channels_last", "fold", "compile")
    counts = ("n", "hits1", "hits5", "loss_sum", "unreadable", "non_finite")
    figures = ("loss", "acc1", "acc5")
    intervals = {f"{name}_interval": [None, 1.5] for name in figures}
    return {
        "schema": SCHEMA,
        "key": key,
        "network": {"name": "a", "weights": "none", "weights_sha256": "0"},
        "preprocessing": PREPROCESSING,
        "data": {"name": "b", "identity": "1"},
        "asked": {"weights": "default", "data": {}, "running": dict.fromkeys(running)},
        "versions": {"torch": "2"},
        **dict.fromkeys(("variant", "score_data", "realised", "difference")),
        "metrics": {**dict.fromkeys((*counts, *figures), 0), **intervals},
    }


def damaged(part, **values):
    whole = record("x")
    return json.dumps({**whole, part: {**whole[part], **values}})


def keys(folder):
    return [entry["key"] for entry in read_records(folder)[0]]


def test_what_is_appended_is_read_back_in_order(tmp_path):
    with RecordFile(tmp_path / "new" / "study") as file:
        for key in "cab":
            file.append(record(key))
    assert keys(tmp_path / "new" / "study") == ["c", "a", "b"]


def test_a_half_written_last_line_is_dropped(tmp_path):
    whole = json.dumps(record("a")) + "\n"
    (tmp_path / FILE).write_text(whole + '{"schema": 1, "ke')
    assert keys(tmp_path) == ["a"]
    assert read_records(tmp_path)[1] == 17
    with RecordFile(tmp_path) as file:
        assert file.dropped == 17
        assert list(file.records) == ["a"]
        file.append(record("b"))
    assert keys(tmp_path) == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "line 2 is no record; remove the line"),
        ("[]", "line 2 is no record"),
        ('{"schema": 1, "key": "x"}', "line 2 is no record"),
        (json.dumps({**record("x"), "network": 3}), "line 2 is no record"),
        (json.dumps({**record("x"), "variant": {"method": "weights"}}), "line 2 is no record"),
        ('{"schema": 99, "key": "x"}', "line 2 has schema 99, this version reads 1 and 2"),
        (damaged("metrics", acc1="90"), "line 2 is no record"),
        (damaged("metrics", acc1=math.nan), "line 2 is no record"),
        (damaged("metrics", n=True), "line 2 is no record"),
        (damaged("metrics", loss_interval=[1]), "line 2 is no record"),
        (damaged("metrics", loss_interval=["1", 2]), "line 2 is no record"),
        (damaged("network", name=3), "line 2 is no record"),
        (damaged("versions", timm=[1]), "line 2 is no record"),
        (json.dumps({**record("x"), "outcomes": 5}), "line 2 is no record"),
        (
            damaged("asked", running={**record("x")["asked"]["running"], "newer": 1}),
            r"line 2 has options that this version doesn't know \(newer\); use the version",
        ),
    ],
)
def test_other_lines_are_refused_and_left_alone(tmp_path, line, message):
    text = json.dumps(record("a")) + "\n" + line + "\n"
    (tmp_path / FILE).write_text(text)
    with pytest.raises(NetworkPruneError, match=message):
        RecordFile(tmp_path)
    with pytest.raises(NetworkPruneError, match=message):
        read_records(tmp_path)
    assert (tmp_path / FILE).read_text() == text


def test_a_second_writer_is_refused_until_the_first_is_done(tmp_path):
    with RecordFile(tmp_path), pytest.raises(NetworkPruneError, match="another run writes to"):
        RecordFile(tmp_path)
    with RecordFile(tmp_path):
        pass


def test_on_a_full_disk_the_file_stays_as_it_was(tmp_path, monkeypatch):
    with RecordFile(tmp_path) as file:
        file.append(record("a"))
        write = os.write

        def half(number, line):
            write(number, line[: len(line) // 2])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(
            NetworkPruneError, match=r"records.jsonl: No space left on device; free"
        ):
            file.append(record("b"))
        monkeypatch.undo()
        file.append(record("c"))
    assert keys(tmp_path) == ["a", "c"]


@contextmanager
def without_privileges():
    """Run as nobody where the tests run as root, to whom nothing is read-only."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs POSIX users")
@pytest.mark.parametrize("has_records", [False, True])
def test_a_read_only_folder_is_refused(has_records):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if has_records:
            (folder / FILE).write_text(json.dumps(record("a")) + "\n")
        folder.chmod(0o555)
        with (
            without_privileges(),
            pytest.raises(NetworkPruneError, match=r"cannot write .*: Permission denied; free"),
        ):
            RecordFile(folder)
        if has_records:
            with without_privileges():
                assert keys(folder) == ["a"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "study").write_text("")
    with pytest.raises(
        NetworkPruneError, match=r"cannot write .*study: it is a file; pass a folder"
    ):
        RecordFile(tmp_path / "study")


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(NetworkPruneError, match=r"holds no records.jsonl; pass the folder"):
        read_records(tmp_path)


def test_records_held_in_memory_are_what_a_file_would_give(tmp_path):
    held = HeldRecords()
    entry = {**record("a"), "preprocessing": {"mean": (0.5,)}}
    with RecordFile(tmp_path) as file:
        for kept in (held, file):
            kept.append(entry)
        assert held.records == file.records
    assert held.records["a"]["preprocessing"] == {"mean": [0.5]}


OLD = Path(__file__).with_name("schema-1.jsonl")


def test_records_of_schema_1_are_read_as_those_of_schema_2(tmp_path):
    (tmp_path / FILE).write_bytes(OLD.read_bytes())
    records, _ = read_records(tmp_path)
    lines = [json.loads(line) for line in OLD.read_text().splitlines()]
    dense, pruned, learned = records
    assert (dense["variant"], dense["realised"], dense["difference"]) == (None, None, None)
    for record, line in zip(records, lines, strict=True):
        assert (line["schema"], record["schema"]) == (1, 2)
        assert record["asked"]["running"] == line["running"]
        assert record["metrics"] == line["metrics"]
        assert not {"running", "pruning"} & record.keys()
    for record, line in ((pruned, lines[1]), (learned, lines[2])):
        assert record["realised"] == line["pruning"]
        assert record["difference"] == line["difference"]
    assert learned["score_data"]["n"] == 20
    assert pruned["score_data"] is None


def test_the_key_is_what_it_was_in_schema_1(tmp_path):
    (tmp_path / FILE).write_bytes(OLD.read_bytes())
    for record in read_records(tmp_path)[0]:
        assert record_key(record) == record["key"]


@pytest.mark.parametrize(
    ("path", "decides"),
    [
        (("network", "weights_sha256"), True),
        (("data", "identity"), True),
        (("preprocessing", "resize"), True),
        (("asked", "running", "fold"), True),
        (("versions", "torch"), True),
        (("variant", "seed"), True),
        (("score_data", "identity"), True),
        (("score_data", "n"), True),
        (("data", "n"), False),
        (("asked", "weights"), False),
        (("metrics", "loss"), False),
    ],
)
def test_the_key_hangs_on_what_decides_the_figures(tmp_path, path, decides):
    (tmp_path / FILE).write_bytes(OLD.read_bytes())
    learned = read_records(tmp_path)[0][-1]
    place = learned
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "other"
    assert (record_key(learned) != learned["key"]) is decides


def test_a_folder_of_schema_1_goes_on(tmp_path):
    plan = {"method": "weights", "p_prune": 0.2, "limit": 30}
    new = sweep(plan, out=tmp_path / "new")
    (tmp_path / "old").mkdir()
    old = "".join(json.dumps(as_schema_1(record)) + "\n" for record in new)
    (tmp_path / "old" / FILE).write_text(old)
    assert sweep(plan, out=tmp_path / "old") == new
    assert (tmp_path / "old" / FILE).read_text() == old
    assert len(sweep({**plan, "p_prune": [0.2, 0.4]}, out=tmp_path / "old")) == 3


def as_schema_1(record):
    line = {**record, "schema": 1, "asked": dict(record["asked"])}
    line["running"] = line["asked"].pop("running")
    line["pruning"] = line.pop("realised")
    if line["variant"] is None:
        names = ("score", "score_data", "prunable_sha256", "draw_sha256", "pruning", "difference")
        for name in names:
            del line[name]
    return line


def test_versions_are_those_that_the_packages_say():
    import timm
    import torchvision

    found = describe_versions()
    assert found["torchvision"] == torchvision.__version__
    assert found["timm"] == timm.__version__
    assert found["torch"] == torch.__version__
