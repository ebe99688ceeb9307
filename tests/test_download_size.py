"""What ``make demo`` says of its download before it starts."""

import shutil
import subprocess
import sys

import pytest

from scripts import download_size


def lock(*packages):
    """A lock file (PEP 751) with names and sizes of wheels."""
    return 'lock-version = "1.0"\n' + "".join(
        f'[[packages]]\nname = "{name}"\nwheels = [{{ url = "x", size = {size} }}]\n'
        for name, size in packages
    )


@pytest.fixture
def say(monkeypatch, capsys):
    """Run it with what uv would print, its complaints and its exit code."""

    def call(*arguments, out="", err="", code=0):
        calls = []

        def run(command, **_):
            calls.append(command)
            return subprocess.CompletedProcess(command, code, out, err)

        monkeypatch.setattr(subprocess, "run", run)
        download_size.main(arguments)
        return calls[0], capsys.readouterr().out

    return call


def test_cuda_is_told_apart(say):
    content = lock(("torch", 500_000_000), ("nvidia-cudnn-cu13", 2_000_000_000), ("rich", 300_000))
    call, line = say(out=content)
    assert call[1:4] == ["pip", "compile", "--quiet"]
    assert call[-3:] == ["--python", sys.executable, "pyproject.toml"]
    assert line == (
        "3 packages, 2.5 GB to download at most (what uv has kept isn't downloaded again); in a "
        "new .venv `TORCH=cpu` after make takes PyTorch's CPU build, less than 500 MB\n"
    )


def test_a_build_without_cuda_and_sizes_that_arent_said(say):
    content = lock(("torch", 200_000_000)) + (
        '[[packages]]\nname = "a"\nwheels = [{ url = "x", size = 1000000 }, { url = "y", '
        'size = 7000000 }]\n[[packages]]\nname = "b"\nwheels = [{ url = "x" }]\n'
        '[[packages]]\nname = "c"\nsdist = { url = "x", size = 2000000 }\n'
        '[[packages]]\nname = "d"\n'
    )
    call, line = say("--extra", "dev", "--torch-backend", "cpu", out=content)
    assert call[-5:-1] == ["--extra", "dev", "--torch-backend", "cpu"]
    assert line == (
        "5 packages, 209 MB to download at most (what uv has kept isn't downloaded again); and b, "
        "d, whose size isn't said\n"
    )


@pytest.mark.parametrize(
    ("err", "told"), [("error: no route\n  because of it\n", "error: no route"), ("", "uv said")]
)
def test_without_a_connection_it_says_so_and_lets_the_installation_go_on(say, err, told):
    _, line = say(err=err, code=2)
    assert line.startswith(f"How large the download is can't be known: {told}")


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(("target", "what"), [("demo", "."), ("test", ".[dev]")])
def test_make_installs_what_its_target_needs_and_takes_pytorchs_cpu_build(target, what):
    call = ["make", "-nB", target, "TORCH=cpu"]
    done = subprocess.run(call, cwd=download_size.ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    (told,) = (place for place, line in enumerate(lines) if "download_size.py" in line)
    installs = [line for line in lines if "uv pip install" in line]
    assert installs == [lines[told + 1]]
    assert lines[told].endswith("--torch-backend cpu")
    assert ("--extra dev" in lines[told]) == (what == ".[dev]")
    assert installs[0].endswith(f"--torch-backend cpu --editable '{what}'")
