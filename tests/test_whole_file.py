"""A file is written whole or not at all."""

import os
import stat

import pytest

from network_prune.errors import RunError
from network_prune.whole_file import write_whole


def test_an_older_file_is_kept_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_whole(path, b"one")
    monkeypatch.setattr(
        "os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(RunError, match=r"cannot write .*a: No space left"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]


def test_others_may_read_it(tmp_path):
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_bytes(b"one")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", b"two")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"two"


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(tmp_path / "pipe", b"one")
        assert os.read(reader, 9) == b"one"
    finally:
        os.close(reader)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.parametrize("name", ["gone/a", "."])
def test_what_cannot_be_written_is_one_line(tmp_path, name):
    with pytest.raises(RunError, match=r"cannot write .*: (No such file|Is a directory)"):
        write_whole(tmp_path / name, b"")
