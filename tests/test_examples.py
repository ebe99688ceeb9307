"""The notebooks run as they stand; ``--write-tables`` writes what their cells show into them.

Plans give what the documentation says they give.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from network_prune import sweep
from network_prune.study.plan_file import read_plan_file
from tests.shown_commands import parsed

EXAMPLES = Path(__file__).parents[1] / "examples"
STORY, TRANSFER = EXAMPLES / "story.ipynb", EXAMPLES / "transfer.ipynb"
# In a process of its own, as the sockets to the kernel are closed when that ends; the kernel is
# of the interpreter that runs the tests, wherever kernels are installed.
EXECUTE = """
import sys, nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

class ThisPython(KernelSpecManager):
    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")

notebook = nbformat.read(sys.argv[1], as_version=4)
manager = AsyncKernelManager(kernel_spec_manager=ThisPython())
NotebookClient(notebook, km=manager, timeout=120).execute()
nbformat.write(notebook, sys.argv[2])
"""


def executed(path, folder):
    command = [sys.executable, "-c", EXECUTE, str(path), "out.ipynb"]
    # Small tensors gain nothing from threads.
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return nbformat.read(folder / "out.ipynb", as_version=4)


def tidied(notebook):
    """Keep what people see, and not bars that are gone and when a cell ran."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.output_type != "display_data" or is_png(o)]
    return notebook


def is_png(output):
    return "image/png" in output.get("data", {})


def test_the_story_runs_and_ends_with_a_plot(tmp_path, request):
    found = tidied(executed(STORY, tmp_path))
    assert any(is_png(output) for output in found.cells[-1].outputs)
    shown = [output for cell in found.cells for output in cell.get("outputs", ())]
    # Neither warnings nor what is left of bars.
    assert not [o for o in shown if o.output_type == "stream" and o.name == "stderr"]
    assert sum("text/html" in output.get("data", {}) for output in shown) >= 4
    if request.config.getoption("--write-tables"):
        nbformat.write(found, STORY)
    assert any(is_png(output) for output in nbformat.read(STORY, as_version=4).cells[-1].outputs)


def test_the_loop_of_an_attack_runs_and_is_plotted_once(tmp_path, request):
    found = tidied(executed(TRANSFER, tmp_path))
    shown = [output for cell in found.cells for output in cell.get("outputs", ())]
    assert not [o for o in shown if o.output_type == "stream" and o.name == "stderr"]
    assert sum(map(is_png, shown)) == 1
    rates = success_of(found)
    assert len(rates) == 8
    # On the network that they are made on images succeed, and more often than elsewhere.
    for surrogate in ("plain", "diversified"):
        own, *others = (rates[name] for name in rates if name[0] == surrogate)
        assert own > 80
        assert 0 < min(others) <= max(others) < own
    # What the last words say of the comparisons.
    assert [float(p) > 0.05 for p in re.findall(r", p (\S+)$", printed(found), re.MULTILINE)] == [
        True
    ] * 3
    if request.config.getoption("--write-tables"):
        nbformat.write(found, TRANSFER)
    kept = success_of(nbformat.read(TRANSFER, as_version=4))
    assert rates == pytest.approx(kept, abs=5)  # another version of PyTorch may round otherwise


def printed(notebook):
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", ()))


def success_of(notebook):
    """The rates that the loop's cell printed, by surrogate and network."""
    rows = re.findall(r"^(\w+) +→ (\S+) +(\S+) % \[", printed(notebook), re.MULTILINE)
    return {(surrogate, name): float(rate) for surrogate, name, rate in rows}


def test_the_table_of_examples_has_all_and_no_other():
    page = (EXAMPLES / "README.md").read_text("utf-8")
    named = re.findall(r"^\| \[(\S+)\]\((\S+)\) \|", page, re.MULTILINE)
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert {name for name, _ in named} == files - {"README.md"}
    assert all(name == target for name, target in named)


def test_commands_of_the_table_exist():
    page = (EXAMPLES / "README.md").read_text("utf-8")
    commands = re.findall(r"`(network-prune .*?)`", page)
    assert len(commands) == 2
    for command in commands:
        parsed(shlex.split(command)[1:])


def test_the_job_on_kubernetes_starts_a_sweep_that_can_be_planned(run):
    job = yaml.safe_load((EXAMPLES / "ray-job.yaml").read_text("utf-8"))
    assert (job["kind"], job["apiVersion"]) == ("RayJob", "ray.io/v1")
    _, *arguments = shlex.split(job["spec"]["entrypoint"])
    engine = arguments.index("--engine")
    assert arguments[engine:] == ["--engine", "ray", "--num-cpus-per-task", "2"]
    parsed(arguments)
    # The same sweep, of the embedded networks, by one process.
    ours = {"resnet18": "digits", "resnet50": "digits-plain", "/images/val": "digits"}
    small = [ours.get(each, each) for each in arguments[:engine]]
    del small[small.index("--out") : small.index("--out") + 2]
    outcome = run(*small, "--dry-run")
    assert outcome.code == 0, outcome.err
    assert "digits-plain" in outcome.out


def test_the_plan_of_recalibration_gives_what_its_page_says():
    """Up to what another version of PyTorch may round otherwise."""
    study = sweep(read_plan_file(STORY.with_name("recalibration.yaml")), progress=False)
    found = {}
    for record in filter(lambda record: record["variant"], study):
        variant = record["variant"]
        point = (variant["method"], round(100 * variant["p_prune"]))
        found.setdefault(point, {})[variant.get("recalibrate")] = record["metrics"]["acc1"]
    page = (STORY.parents[1] / "docs" / "recalibration.md").read_text("utf-8")
    page, _, _ = page.partition("EfficientNet-Lite0")
    rows = re.findall(r"^\| (\w+)[\w ]* \| (\d+) % \| (\S+) \| (\S+) \|", page, re.MULTILINE)
    said = {(m, int(share)): {None: float(a), 250: float(b)} for m, share, a, b in rows}
    assert len(said) == 9
    assert found == {point: pytest.approx(figures, abs=0.9) for point, figures in said.items()}
