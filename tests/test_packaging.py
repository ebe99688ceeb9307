"""The sdist and the wheel, built as anybody builds them and without a connection."""

import ast
import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import network_prune

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "network_prune"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MB = 1_000_000
# What brings a package that is imported by another name.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "art": "adversarial-robustness-toolbox",
    "mlflow": "mlflow-skinny",
    "yaml": "pyyaml",
}


def files_in(folder):
    """The paths of a folder's files within it, without what Python and tools leave there."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)) for p in paths if "__pycache__" not in p.parts}


def build(kind, folder, out):
    code = f"import hatchling.build as b; print(b.build_{kind}({str(out)!r}))"
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(unpacked, tmp_path_factory):
    """The wheel that the unpacked sdist builds, as installers without a wheel do it."""
    with zipfile.ZipFile(build("wheel", unpacked, tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    version = network_prune.__version__
    head = f"network_prune-{version}.dist-info"
    beside = {"METADATA", "WHEEL", "RECORD", "entry_points.txt"}
    licences = {"licenses/LICENSE", "licenses/NOTICE"}
    package = {f"network_prune/{name}" for name in files_in(PACKAGE)}
    assert {"network_prune/py.typed", "network_prune/__init__.pyi"} <= package
    assert set(wheel.namelist()) == package | {f"{head}/{name}" for name in beside | licences}
    assert Path(wheel.filename).name == f"network_prune-{version}-py3-none-any.whl"


def test_the_wheel_is_small(wheel):
    """The networks and their digits are most of it."""
    sizes = {info.filename: info.compress_size for info in wheel.infolist()}
    networks = {name: n for name, n in sizes.items() if name.endswith((".safetensors", ".npz"))}
    assert 1 * MB < sum(networks.values()) < 3 * MB
    assert sum(sizes.values()) - sum(networks.values()) < 1 * MB


def test_the_sdist_holds_what_builds_it_and_what_its_tests_read(unpacked):
    for folder in ("src", "tests", "benchmarks", "docs", "examples", "scripts"):
        assert files_in(unpacked / folder) == files_in(ROOT / folder), folder
    for name in ("Makefile", "README.md", "pyproject.toml", "eval.py", "LICENSE", "NOTICE"):
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()


def test_the_metadata_is_the_projects(metadata):
    assert metadata["Name"] == "network-prune"
    assert metadata["Version"] == network_prune.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert metadata.get_payload(decode=True) == (ROOT / "README.md").read_bytes()
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    bound = re.compile(r"[a-z0-9-]+(\[[a-z,]+\])?>=[0-9.]+$")
    needed = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert len(needed) == len(PROJECT["dependencies"])
    assert all(bound.match(each) for each in needed)


def imported_packages():
    """The packages of others that the package imports, at the top of a file or later."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            found |= {name.partition(".")[0] for name in names}
    return found - {*sys.stdlib_module_names, "network_prune"}


def declared(requirements):
    return {re.match(r"[\w-]+", each)[0] for each in requirements} - {"network-prune"}


def test_what_is_imported_is_declared():
    extras = dict(PROJECT["optional-dependencies"])
    del extras["dev"]
    wanted = declared(PROJECT["dependencies"])
    wanted |= {name for own in extras.values() for name in declared(own)}
    found = {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in imported_packages()}
    assert len(found) > 20
    assert found <= wanted


def test_extras_that_are_named_exist():
    """In messages, help and documentation: those of ``require`` and of ``network-prune[…]``."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *PACKAGE.rglob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in pages)
    found = set(re.findall(r'extra="(\w+)"', text))
    assert len(found) > 5
    for names in re.findall(r"network-prune\[([\w,]+)\]", text):
        found |= set(names.split(","))
    assert found <= set(PROJECT["optional-dependencies"])


def test_dev_brings_every_extra_but_those_of_the_documentation():
    (own,) = (each for each in PROJECT["optional-dependencies"]["dev"] if "network-prune[" in each)
    brought = set(own.removeprefix("network-prune[").removesuffix("]").split(","))
    assert brought >= set(PROJECT["optional-dependencies"]) - {"dev", "docs"}
