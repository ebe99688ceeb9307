"""Pieces that belong to records are there whole, or not at all."""

import errno
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.errors import RunError, SourceError
from network_prune.results.outcome_store import (
    FILE,
    OutcomeStore,
    StoredOutcomes,
    WrittenOutcomes,
    from_text,
    to_text,
)


@given(st.binary())
def test_pieces_come_back_by_their_hash(piece):
    store = OutcomeStore()
    assert from_text(to_text(piece)) == piece
    assert store.get(store.put(piece)) == piece
    assert store.get(None) is store.get("0" * 64) is None


def test_a_file_keeps_each_piece_once(tmp_path):
    store = WrittenOutcomes(tmp_path)
    names = [store.put(piece) for piece in (b"one", b"two", b"one")]
    store.close()
    assert names[0] == names[2]
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 2
    again = WrittenOutcomes(tmp_path)
    assert again.put(b"two") == names[1]
    again.close()
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 2
    assert StoredOutcomes(tmp_path).get(names[1]) == b"two"
    assert StoredOutcomes(tmp_path / "none").get(names[1]) is None


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_what_a_kill_leaves_half_written_is_dropped(tmp_path, part):
    store = WrittenOutcomes(tmp_path)
    first, last = store.put(b"first"), store.put(b"last")
    store.close()
    content = (tmp_path / FILE).read_bytes()
    start = content.index(b"\n") + 1
    (tmp_path / FILE).write_bytes(content[: start + int(part * (len(content) - start))])
    assert StoredOutcomes(tmp_path).get(last) is None
    store = WrittenOutcomes(tmp_path)
    assert (store.get(first), store.get(last)) == (b"first", None)
    assert store.put(b"last") == last
    store.close()
    assert (tmp_path / FILE).read_bytes() == content


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: {**line, "data": to_text(b"another")},
        lambda line: {**line, "data": line["data"][:-5]},
        lambda line: {**line, "data": None},
        lambda line: {"sha256": line["sha256"]},
    ],
)
def test_a_damaged_piece_is_not_believed_and_can_be_kept_anew(tmp_path, damage):
    store = WrittenOutcomes(tmp_path)
    name = store.put(b"piece")
    store.close()
    line = json.loads((tmp_path / FILE).read_bytes())
    damaged = json.dumps(damage(line), separators=(",", ":")) + "\n"
    (tmp_path / FILE).write_text(damaged)
    assert StoredOutcomes(tmp_path).get(name) is None
    store = WrittenOutcomes(tmp_path)
    store.put(b"piece")
    store.close()
    assert StoredOutcomes(tmp_path).get(name) == b"piece"


def test_other_lines_are_passed_over(tmp_path):
    (tmp_path / FILE).write_bytes(b"no json\n\xff\xfe\n[]\n")
    assert StoredOutcomes(tmp_path).get("0" * 64) is None


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    (tmp_path / FILE).mkdir()
    for kind in (StoredOutcomes, WrittenOutcomes):
        with pytest.raises(SourceError, match=r"outcomes\.jsonl is a folder; pass a plain"):
            kind(tmp_path).get("0" * 64)
    store = WrittenOutcomes(tmp_path / "missing")
    with pytest.raises(RunError, match=r"cannot write .*missing"):
        store.put(b"piece")


def test_a_file_that_cant_be_read_is_told_and_no_file_is_none(tmp_path, monkeypatch):
    store = WrittenOutcomes(tmp_path)
    name = store.put(b"one")

    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", fail)
        with pytest.raises(SourceError, match=r"cannot read .*outcomes\.jsonl: Input/output error"):
            store.get(name)
    assert store.get(name) == b"one"
    store.close()
    (tmp_path / FILE).unlink()
    assert store.get(name) is None
