"""A study's folder that others change during a run: told, and nothing that was recorded is lost."""

import os
import shutil

import pytest

from network_prune import load_study
from network_prune.errors import RunError
from network_prune.results.records import FILE, RecordFile
from network_prune.study.events import Recorded
from network_prune.study.sweep import sweep

PLAN = {"method": "weights", "p_prune": [0.2, 0.4, 0.6], "limit": 20, "batch_size": 10}
OUTCOMES = "outcomes.jsonl"


def append(path):
    path.write_bytes(path.read_bytes() + b"{}\n")


def cut(path):
    os.truncate(path, path.stat().st_size - 9)


def edit(path):
    with path.open("r+b") as file:
        file.seek(5)
        file.write(b"#")


def replace(path):
    shutil.copy(path, path.with_suffix(".copy"))
    os.replace(path.with_suffix(".copy"), path)


def delete_folder(path):
    shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return sweep(PLAN, out=tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("recorded", [1, 4])
@pytest.mark.parametrize(
    ("harm", "file", "why"),
    [
        (os.remove, FILE, "was deleted"),
        (delete_folder, FILE, "was deleted"),
        (append, FILE, "has got another 3 bytes from elsewhere"),
        (cut, FILE, "was cut by 9 bytes"),
        (edit, FILE, "was changed by others"),
        (replace, FILE, "was replaced by another file"),
        (os.remove, OUTCOMES, "was deleted"),
        (cut, OUTCOMES, "was cut by 9 bytes"),
    ],
)
def test_a_change_during_a_run_is_told_and_all_that_was_recorded_is_kept(
    tmp_path, whole, recorded, harm, file, why
):
    out = tmp_path / "study"
    seen = []

    def told(event):
        if isinstance(event, Recorded):
            seen.append(event)
            if len(seen) == recorded:
                harm(out / file)

    with pytest.raises(RunError, match=f"{file} {why}.* during the run; .*study-rescued-1"):
        sweep(PLAN, out=out, told=told)
    rescued = tmp_path / "study-rescued-1"
    # That which couldn't be recorded any more is among them.
    assert len(seen) <= (rescued / FILE).read_bytes().count(b"\n") <= len(seen) + 1
    done = sweep(PLAN, out=rescued)
    assert list(done) == list(whole)
    if (harm, file) != (cut, OUTCOMES):
        assert None not in [done.outcomes(record) for record in done]


def test_outcomes_of_earlier_runs_are_rescued_with_the_rest(tmp_path, whole):
    out = tmp_path / "study"
    sweep(PLAN, out=out)
    with pytest.raises(RunError, match="study-rescued-1"), RecordFile(out):
        shutil.rmtree(out)
    done = load_study(tmp_path / "study-rescued-1")
    assert list(done) == list(whole)
    assert None not in [done.outcomes(record) for record in done]


def test_a_run_that_has_recorded_nothing_leaves_no_folder_beside(tmp_path):
    out = tmp_path / "study"
    nothing = pytest.raises(RunError, match="was deleted during the run; nothing was recorded yet")
    with nothing, RecordFile(out) as records:
        os.remove(records.path)
    assert os.listdir(tmp_path) == ["study"]
