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
from network_prune.results.lines.record_lines import line_of
from network_prune.results.record_key import record_key
from network_prune.results.records import FILE, SCHEMA, HeldRecords, RecordFile, read_records
from network_prune.study.identity import describe_versions
from network_prune.study.sweep import sweep
from tests.exchanged_parts import forged_line

PREPROCESSING = {"resize": 8, "crop": 8, "interpolation": "bilinear", "mean": [0.5], "std": [1.0]}


ASKED = {"class_order": None, "only_data_classes": False, "exif": "source"}


def record(name):
    """A record of the network of that name."""
    running = ("batch_size", "dtype", "amp", "device", "channels_last", "fold", "compile")
    counts = ("n", "hits1", "hits5", "loss_sum", "unreadable", "non_finite")
    figures = ("loss", "acc1", "acc5")
    intervals = {f"{name}_interval": [None, 1.5] for name in figures}
    whole = {
        "network": {"name": name, "weights": "none", "weights_sha256": "0"},
        "preprocessing": PREPROCESSING,
        "data": {"name": "b", "identity": "1"},
        "asked": {"weights": "default", "data": ASKED, "running": dict.fromkeys(running)},
        "versions": {"torch": "2"},
        **dict.fromkeys(("variant", "score_data", "realised", "difference")),
        "metrics": {**dict.fromkeys((*counts, *figures), 0), **intervals},
    }
    return {"schema": SCHEMA, "key": record_key(whole), **whole}


def line(entry):
    return line_of(entry).decode()


def changed(part, **values):
    """A line of an earlier schema, which has no checksum, of a record with a changed part."""
    whole = record("x")
    whole[part] = {**whole[part], **values}
    return json.dumps({**whole, "schema": 2, "key": record_key(whole)})


def records_of(folder):
    return list(read_records(folder)[0].values())


def names(folder):
    return [entry["network"]["name"] for entry in records_of(folder)]


def told(folder):
    return [str(notice) for notice in read_records(folder)[1]]


def test_what_is_appended_is_read_back_in_order(tmp_path):
    with RecordFile(tmp_path / "new" / "study") as file:
        for key in "cab":
            file.append(record(key))
    assert names(tmp_path / "new" / "study") == ["c", "a", "b"]


def test_a_half_written_last_line_is_dropped(tmp_path):
    (tmp_path / FILE).write_text(line(record("a")) + "\n" + '{"schema": 1, "ke')
    assert names(tmp_path) == ["a"]
    (notice,) = read_records(tmp_path)[1]
    assert (notice.size, "its variant is evaluated again" in str(notice)) == (17, True)
    with RecordFile(tmp_path) as file:
        assert file.notices == [notice]
        assert list(file.records) == [record("a")["key"]]
        file.append(record("b"))
    assert names(tmp_path) == ["a", "b"]
    assert told(tmp_path) == []


OTHERS = [
    ("nonsense", "it is no JSON"),
    ("", "it is no JSON"),
    ("[" * 100_000, "it is no JSON"),
    ("[]", "it is no record"),
    ('{"schema": 1, "key": "x"}', "it is no record"),
    ('{"schema": 99, "key": "x"}', "it has no checksum"),
    (json.dumps(record("x")), "it has no checksum"),
    (line(record("x")).replace('"schema":3', '"schema":2'), "its checksum doesn't match"),
    (line(record("x")).replace('"name":"x"', '"name":"y"'), "its checksum doesn't match"),
    (line(record("x"))[:-9] + '"}', "its checksum doesn't match"),
    (line({**record("x"), "network": 3}), "it is no record"),
    (line({**record("x"), "key": "0" * 64}), "its key isn't that of what it says"),
    (line({**record("x"), "variant": {"method": "weights"}}), "its key isn't that"),
    (changed("metrics", acc1="90"), "it is no record"),
    (changed("metrics", acc1=math.nan), "it is no JSON"),
    (changed("metrics", n=True), "it is no record"),
    (changed("metrics", loss_interval=[1]), "it is no record"),
    (changed("metrics", loss_interval=["1", 2]), "it is no record"),
    (changed("network", name=3), "it is no record"),
    (changed("versions", timm=[1]), "it is no record"),
    (changed("data", n=5), "it counts 0 images of 5"),
    (changed("metrics", hits5=1), "it counts more images than its 0"),
    (changed("metrics", n=4, hits5=2, hits1=1, acc1=25, acc5=25), "its acc5 isn't that of its"),
    (changed("metrics", loss=2, loss_interval=[0, 1]), "its loss lies outside its interval"),
    (line({**record("x"), "outcomes": 5}), "it is no record"),
]


@pytest.mark.parametrize(("other", "why"), OTHERS)
def test_a_damaged_line_is_told_left_alone_and_measured_again(tmp_path, other, why):
    text = line(record("a")) + "\n" + other + "\n" + line(record("b")) + "\n"
    (tmp_path / FILE).write_text(text)
    (notice,) = told(tmp_path)
    assert notice.startswith(f"{tmp_path / FILE} line 2 is damaged ({why}")
    assert notice.endswith("left out; its variant is evaluated again")
    assert names(tmp_path) == ["a", "b"]
    with RecordFile(tmp_path) as file:
        assert list(map(str, file.notices)) == [notice]
        assert record("x")["key"] not in file.records
        file.append(record("x"))
    assert (tmp_path / FILE).read_text() == text + line(record("x")) + "\n"
    assert names(tmp_path) == ["a", "b", "x"]


def test_a_later_versions_lines_are_refused_and_left_alone(tmp_path):
    running = {**record("x")["asked"]["running"], "newer": 1}
    later = {**record("x"), "schema": SCHEMA + 1}
    for other, message in (
        (line(later), "line 2 has schema 4, this version reads 1, 2 and 3; use the version"),
        (changed("asked", running=running), r"has options that this version doesn't know \(newer"),
    ):
        text = line(record("a")) + "\n" + other + "\n"
        (tmp_path / FILE).write_text(text)
        for read in (RecordFile, read_records):
            with pytest.raises(NetworkPruneError, match=message):
                read(tmp_path)
        assert (tmp_path / FILE).read_text() == text


def with_loss(name, loss, **changes):
    whole = record(name)
    figures = {"loss_sum": loss, "loss_interval": [None, None]}
    return {**whole, "metrics": {**whole["metrics"], **figures}, **changes}


def test_of_two_lines_with_one_key_and_the_same_figures_the_last_counts(tmp_path):
    again = {**record("a"), "used": {"channels_last": True}}
    lines = map(line, (record("a"), record("b"), again))
    (tmp_path / FILE).write_text("".join(f"{each}\n" for each in lines))
    assert records_of(tmp_path) == [again, record("b")]
    assert told(tmp_path) == []


def test_two_lines_with_one_key_and_other_figures_are_refused_by_number(tmp_path):
    lines = map(line, (record("a"), record("b"), with_loss("a", 1)))
    (tmp_path / FILE).write_text("".join(f"{each}\n" for each in lines))
    message = r"jsonl lines 1 and 3 have one key and differ in metrics\.loss_sum.*; remove one"
    for read in (RecordFile, read_records):
        with pytest.raises(NetworkPruneError, match=message):
            read(tmp_path)


def test_other_figures_for_a_key_are_not_written(tmp_path):
    with RecordFile(tmp_path) as file:
        file.append(record("a"))
        content = (tmp_path / FILE).read_bytes()
        with pytest.raises(
            NetworkPruneError, match=r"line 1 has other figures .*loss_sum.*pass an"
        ):
            file.append(with_loss("a", 1))
    assert (tmp_path / FILE).read_bytes() == content


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
    assert names(tmp_path) == ["a", "c"]


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
            (folder / FILE).write_text(line(record("a")) + "\n")
        folder.chmod(0o555)
        with (
            without_privileges(),
            pytest.raises(NetworkPruneError, match=r"cannot write .*: Permission denied; free"),
        ):
            RecordFile(folder)
        if has_records:
            with without_privileges():
                assert names(folder) == ["a"]


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
    entry = {**record("a"), "preprocessing": {**PREPROCESSING, "mean": (0.5,)}}
    entry["key"] = record_key(entry)
    with RecordFile(tmp_path) as file:
        for kept in (held, file):
            kept.append(entry)
        assert held.records == dict(file.records)
    assert held.records[entry["key"]]["preprocessing"]["mean"] == [0.5]


OLD = Path(__file__).with_name("schema-1.jsonl")


def test_records_of_schema_1_are_read_as_those_of_this(tmp_path):
    (tmp_path / FILE).write_bytes(OLD.read_bytes())
    records = records_of(tmp_path)
    lines = [json.loads(line) for line in OLD.read_text().splitlines()]
    dense, pruned, learned = records
    assert (dense["variant"], dense["realised"], dense["difference"]) == (None, None, None)
    for record, line in zip(records, lines, strict=True):
        assert (line["schema"], record["schema"]) == (1, 3)
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
    for record in records_of(tmp_path):
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
    learned = records_of(tmp_path)[-1]
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


def doubled(folder, member):
    """Write a record twice, with a right checksum: the second time with one more member."""
    forged = forged_line(line_of(record("x")).rpartition(b',"crc32"')[0] + b"," + member + b"}")
    (folder / FILE).write_bytes(line_of(record("x")) + b"\n" + forged + b"\n")


def test_a_second_variant_in_a_line_is_not_believed(tmp_path):
    doubled(tmp_path, b'"variant":{"p_prune":0.9}')
    assert names(tmp_path) == ["x"]
    assert "line 2 is damaged" in told(tmp_path)[0]


@pytest.mark.parametrize(
    "member",
    [
        b'"network":{"name":"z","weights":"none","weights_sha256":"0"}',
        b'"key":"x"',
        b'"metrics":{}',
    ],
)
def test_a_member_that_stands_twice_is_not_believed(tmp_path, member):
    doubled(tmp_path, member)
    assert names(tmp_path) == ["x"]
    assert "line 2 is damaged" in told(tmp_path)[0]
