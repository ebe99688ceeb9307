"""The file of records: whole lines, one writer, and nothing lost."""

import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from network_prune.errors import NetworkPruneError
from network_prune.study.records import FILE, SCHEMA, RecordFile, read_records, record_key


def record(key):
    running = ("batch_size", "dtype", "amp", "device", "channels_last", "fold", "compile")
    figures = ("n", "hits1", "hits5", "loss_sum", "loss", "acc1", "acc5")
    return {
        "schema": SCHEMA,
        "key": key,
        "network": {"name": "a", "weights": "none", "weights_sha256": "0"},
        "data": {"name": "b", "identity": "1"},
        "asked": {"weights": "default", "data": {}},
        "running": dict.fromkeys(running),
        "versions": {"torch": "2"},
        "variant": None,
        "metrics": dict.fromkeys(figures, 0),
    }


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
        ('{"schema": 99, "key": "x"}', "line 2 has schema 99, this version reads 1"),
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


def test_the_key_hangs_on_values_and_not_on_their_order():
    one = record_key({"a": 1, "b": [1, 2]})
    assert one == record_key({"b": [1, 2], "a": 1})
    assert len({one, record_key({"a": 1, "b": [2, 1]}), record_key({"a": 1.5, "b": [1, 2]})}) == 3
