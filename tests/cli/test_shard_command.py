"""``--shard``, ``records merge`` and torchrun, as people run them."""

import json
import os
import subprocess
import sys

import pytest

from network_prune.cli.main import main
from network_prune.results.records import FILE

OPTIONS = (
    "--limit",
    64,
    "--batch-size",
    16,
    "--method",
    "weights",
    "--p-prune",
    0.3,
    "--p-bern",
    0.5,
)
OPTIONS += ("--draws", 2)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    with pytest.raises(SystemExit, match="0"):
        main(["sweep", *map(str, OPTIONS), "--out", str(folder)])
    return (folder / FILE).read_bytes()


def test_what_is_missing_is_told_with_the_command_that_brings_it(run, tmp_path, one_process):
    out = tmp_path / "a study"
    options = ("sweep", *OPTIONS, "--out", out)
    first = run(*options, "--shard", "1/2")
    assert first.code == 0
    assert "shard          1/2, in " in first.out
    told = run("records", out)
    command = f"network-prune sweep {' '.join(map(str, OPTIONS))} --out '{out}' --shard 2/2"
    for text in (first.out, told.out):
        assert "1 of 2 shards are done" in text
        assert command in text
    for reader in (
        ["records", out, "--csv", tmp_path / "rows.csv"],
        ["report", out, "--out", tmp_path / "page.html"],
        ["compare", out, out],
    ):
        refused = run(*reader)
        assert refused.code == 2
        assert "holds shards whose records aren't put together yet" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    last = run(*options, "--shard=2/2")
    assert last.code == 0
    assert last.out.count("| digits | weights |") == 3  # two draws and their mean
    assert "shards" not in run("records", out).out
    assert (out / FILE).read_bytes() == one_process
    again = run(*options, "--shard", "1/2", "--json")
    assert len(json.loads(again.out)) == 3


def test_what_is_finished_so_far_is_recorded_by_merge(run, tmp_path):
    three = ("--arch", "digits", "--arch", "digits-plain", "--arch", "digits-mixer")
    for shard in ("1/3", "2/3"):
        run("sweep", *OPTIONS, *three, "--out", tmp_path, "--shard", shard)
    merged = run("records", "merge", tmp_path, "--each")
    assert merged.code == 0
    assert "| digits | dense |" in merged.out
    assert "2 of 3 shards are done" in merged.out
    assert "records are new" in merged.err
    as_json = run("records", "merge", tmp_path, "--json")
    assert "0 records are new" in as_json.err
    assert "2 of 3 shards are done" in as_json.err
    assert len(json.loads(as_json.out)) == merged.out.count("| digits")


def test_wrong_shards_are_refused_in_one_line(run, tmp_path):
    run("sweep", *OPTIONS, "--out", tmp_path, "--shard", "1/2")
    for shard, why in [("0/4", "is no shard"), ("5/4", "is no shard"), ("1/3", "into 2 shards")]:
        outcome = run("sweep", *OPTIONS, "--out", tmp_path, "--shard", shard)
        assert outcome.code == 2
        assert why in outcome.err
        assert outcome.err.count("\n") == 1
    other = run("sweep", *OPTIONS, "--scope", "layer", "--out", tmp_path, "--shard", "2/2")
    assert "has shards of another plan" in other.err
    assert "two folders" in run("records", tmp_path, tmp_path).err
    assert "no folder" in run("records", "merge", tmp_path / "none").err


def test_a_task_of_a_slurm_array_is_a_shard(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    outcome = run("sweep", *OPTIONS, "--out", tmp_path)
    assert "shard          2/2, in " in outcome.out
    assert run("sweep", *OPTIONS, "--out", tmp_path / "all", "--shard", "1/1").code == 0
    assert "3 of 3 records" in run("records", tmp_path / "all").out


def test_a_failed_network_leaves_the_others(run, tmp_path):
    names = ("--arch", "digits", "--arch", "resnet0", "--data", "fake:32")
    outcomes = [
        run("sweep", *OPTIONS, *names, "--out", tmp_path, "--shard", f"{number}/2")
        for number in (1, 2)
    ]
    assert 1 in {outcome.code for outcome in outcomes}
    assert any("resnet0: unknown network" in outcome.err for outcome in outcomes)
    assert "what is missing comes with" in outcomes[-1].out
    assert "| digits | weights |" in run("records", "merge", tmp_path).out


def test_torchrun_shows_one_table_and_records_what_one_process_records(tmp_path, one_process):
    command = ["--nproc-per-node", "2", "-m", "network_prune", "sweep", *map(str, OPTIONS)]
    command = [sys.executable, "-m", "torch.distributed.run", *command, "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.count("| network | method |") == 1
    assert "shard          1/2" in done.stdout
    assert (tmp_path / FILE).read_bytes() == one_process


def test_without_ray_its_extra_is_named(refused, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    told = refused("sweep", "--engine", "ray", "--out", tmp_path)
    assert told.endswith("--engine ray needs the package ray: pip install 'network-prune[ray]'")


def test_what_goes_with_a_cluster_alone_is_refused_without_one(refused, tmp_path):
    told = refused("sweep", "--num-gpus-per-task", 1, "--out", tmp_path)
    assert "--num-gpus-per-task goes with --engine ray; pass both" in told
    assert "unknown engine 'dask'; pass one of ray" in refused("sweep", "--engine", "dask")
