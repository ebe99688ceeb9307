"""A bar is a notebook's where it can be, and text without a word of warning elsewhere."""

import subprocess
import sys

import pytest

from network_prune.display.progress import progress_bar

SHOW = """
import sys
from network_prune.display.progress import progress_bar
with progress_bar(total=2, label="digits", unit="img", shown=None) as bar:
    bar.update(1)
    print(type(bar).__mro__[1].__module__)
"""
# What tqdm takes for a notebook.
NOTEBOOK = """
import sys, types
sys.modules["ipykernel.zmqshell"] = types.ModuleType("zmqshell")
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: None)
sys.modules["ipywidgets"] = None
"""


def in_python(code):
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_without_ipywidgets_a_notebook_has_text():
    found = in_python(NOTEBOOK + SHOW)
    assert "digits:   0%|" in found.stderr
    assert "IProgress" not in found.stderr


def test_neither_terminal_nor_notebook_shows_none():
    assert in_python(SHOW).stderr == ""


@pytest.mark.parametrize("is_shown", [True, False])
def test_it_is_shown_if_asked(is_shown, capsys):
    progress_bar(total=1, label="digits", unit="img", shown=is_shown).close()
    assert ("digits" in capsys.readouterr().err) is is_shown
