"""The notebooks run as they stand; ``--write-tables`` writes what their cells show into them."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "examples"


class ThisPython(KernelSpecManager):
    """The kernel of the interpreter that runs the tests, wherever kernels are installed."""

    def get_kernel_spec(self, kernel_name):
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


def executed(path, folder):
    notebook = nbformat.read(path, as_version=4)
    manager = AsyncKernelManager(kernel_spec_manager=ThisPython())
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, km=manager, timeout=120, resources=resources).execute()
    return notebook


def without_widgets(notebook):
    """Keep what people see: no bars that are gone, no counts, no state."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if o.output_type != "display_data" or is_png(o)]
    return notebook


def is_png(output):
    return "image/png" in output.get("data", {})


@pytest.mark.skipif(os.name == "nt", reason="pyzmq warns of the event loop there")
@pytest.mark.filterwarnings("default")
def test_the_story_runs_and_ends_with_a_plot(tmp_path, request):
    path = FOLDER / "story.ipynb"
    found = without_widgets(executed(path, tmp_path))
    assert any(is_png(output) for output in found.cells[-1].outputs)
    shown = [output for cell in found.cells for output in cell.get("outputs", ())]
    assert not [output for output in shown if output.output_type == "error"]
    assert sum("text/html" in output.get("data", {}) for output in shown) >= 4
    if request.config.getoption("--write-tables"):
        nbformat.write(found, path)
    written = nbformat.read(path, as_version=4)
    assert [cell.source for cell in written.cells] == [cell.source for cell in found.cells]
    assert any(is_png(output) for output in written.cells[-1].outputs)
