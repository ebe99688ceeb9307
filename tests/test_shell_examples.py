"""The examples that are shell scripts, with our command on the path and a Slurm that isn't one."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import network_prune
from network_prune.results.records import FILE

EXAMPLES = Path(__file__).parents[1] / "examples"
GATE, ARRAY = EXAMPLES / "gate.sh", EXAMPLES / "sweep.sbatch"
PLAN = "method: weights\np_prune: [0.2, 0.4]\nlimit: 40\nbatch_size: 10\n"
SHARE = 'shift  # --cpus-per-task\nexec "$@"'


def put(folder, name, text):
    """Put a shell script on the path."""
    (folder / name).write_text(f"#!/bin/sh\n{text}\n", "utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path):
    """A folder of commands that come first: ours, run by the Python of the tests."""
    folder = tmp_path / "bin"
    folder.mkdir()
    put(folder, "network-prune", f'exec "{sys.executable}" -m network_prune "$@"')
    return folder


def call(script, *arguments, path, **variables):
    source = Path(network_prune.__file__).parents[1]
    env = {**os.environ, "PYTHONPATH": str(source), **variables}
    env["PATH"] = f"{path}{os.pathsep}{env['PATH']}"
    command = ["bash", script, *map(str, arguments)]
    return subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=path.parent
    )


def ended(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


@pytest.mark.parametrize("script", [GATE, ARRAY], ids=lambda script: script.name)
def test_bash_can_read_it(script):
    subprocess.run(["bash", "-n", script], check=True)
    assert os.access(GATE, os.X_OK)


WEIGHTS = ("--limit", 100, "--p-prune", 0.4, "--method", "weights")
KERNELS = ("--method", "connections")


def test_the_gate_lets_a_network_pass_that_keeps_its_accuracy(path):
    code, out, err = ended(call(GATE, 5, *WEIGHTS, path=path, TMPDIR=str(path.parent)))
    assert code == 0, err
    assert re.search(r"digits\W+weights\W+0\.4\b", out)
    assert [each.name for each in path.parent.iterdir()] == ["bin"]  # nothing is left


def test_the_gate_fails_the_build_where_too_much_may_be_lost(path):
    code, out, err = ended(call(GATE, 5, *WEIGHTS, *KERNELS, path=path, TMPDIR=str(path.parent)))
    assert code == 1
    assert re.search(r"digits\W+connections\W+0\.4\b", out)
    assert "may lose more than 5 points: digits connections" in err
    assert [each.name for each in path.parent.iterdir()] == ["bin"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "POINTS"),
        (("-1", "--p-prune", 0.1), "POINTS"),
        (("--p-prune", 0.1), "POINTS"),
        (("1", "--p-prune", 3), "p_prune=3.0 is outside"),
    ],
)
def test_a_wrong_call_of_the_gate_is_told_from_a_loss(path, arguments, said):
    code, _, err = ended(call(GATE, *arguments, path=path))
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


def task(number):
    """What Slurm tells a task of an array of two."""
    return {
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": str(number),
        "SLURM_ARRAY_TASK_MIN": "1",
        "SLURM_ARRAY_TASK_COUNT": "2",
        "SLURM_CPUS_PER_TASK": "3",
    }


def test_the_tasks_of_the_array_share_a_study(path):
    put(path, "srun", f'echo "srun $1" >&2\n{SHARE}')
    put(path, "scontrol", "exit 9")
    plan, out = path.parent / "plan.yaml", path.parent / "study"
    plan.write_text(PLAN, "utf-8")
    for number in (1, 2):
        code, said, err = ended(call(ARRAY, plan, out, path=path, **task(number)))
        assert code == 0, err
        assert f"shard          {number}/2, in {out}" in said
        assert "srun --cpus-per-task=3" in err
    study = network_prune.load_study(out)
    assert [each["variant"] and each["variant"]["p_prune"] for each in study] == [None, 0.2, 0.4]


def test_a_task_whose_time_is_up_is_queued_again_and_goes_on(path):
    put(path, "srun", f"echo $$ > pid\n{SHARE}")
    put(path, "scontrol", 'echo "$@" > requeued')
    plan, out = path.parent / "plan.yaml", path.parent / "study"
    plan.write_text(PLAN.replace("40", "500"), "utf-8")
    process = call(ARRAY, plan, out, path=path, **task(1))
    # srun's process has become that of our command, which writes its first part early.
    deadline = time.monotonic() + 60
    while not list(out.glob("shards/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(int((path.parent / "pid").read_text()), signal.SIGUSR1)
    code, _, err = ended(process)
    assert code == 138, err
    assert (path.parent / "requeued").read_text() == "requeue 7_1\n"
    assert not (out / FILE).exists()


def test_another_failure_isnt_queued_again(path):
    put(path, "srun", SHARE)
    put(path, "scontrol", "touch requeued")
    code, _, err = ended(call(ARRAY, "nowhere.yaml", "study", path=path, **task(1)))
    assert code == 2
    assert "nowhere.yaml" in err
    assert not (path.parent / "requeued").exists()


@pytest.mark.parametrize("given", [(), ("plan.yaml",)])
def test_the_array_says_what_it_wants(path, given):
    code, _, err = ended(call(ARRAY, *given, path=path))
    assert code != 0
    assert "pass " in err


def test_slurm_reads_all_of_its_options():
    """Options stand before the first command, as Slurm reads no further."""
    head, _, rest = ARRAY.read_text("utf-8").partition("\nplan=")
    assert head.count("#SBATCH --") == 10
    assert "#SBATCH" not in rest
    assert shutil.which("bash")
