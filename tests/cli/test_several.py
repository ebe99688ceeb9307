"""``network-prune eval`` with several networks: each is evaluated, a failure is a row."""

import gc
import json
import re
import weakref
from pathlib import Path

import pytest
from PIL import Image

from network_prune.results.study import load_study

PERFORMANCE = r"Loss \d+\.\d{3}  Acc@1 \d+\.\d{3}  Acc@5 \d+\.\d{3}"
FAKE = ("--data", "fake:4", "--workers", 0)


@pytest.fixture
def nets(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    default_cfg = {'input_size': (1, 32, 32), 'mean': (0.5,), 'std': (0.5,)}\n"
        "def good():\n"
        "    return Net(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
        "def broken():\n"
        "    raise ValueError('a|b\\nc')\n"
        "class Moody(nn.Flatten):\n"
        "    calls = 0\n"
        "    def forward(self, x):\n"
        "        self.calls += 1\n"
        "        if self.calls > 1:\n"
        "            raise RuntimeError('out of\\nmood')\n"
        "        return super().forward(x)\n"
        "def moody():\n"
        "    return Net(nn.Conv2d(1, 10, 3), nn.AdaptiveAvgPool2d(1), Moody())\n"
    )
    return path


def rows(out):
    return [line for line in out.splitlines() if line.startswith("|")][2:]


def archs(*names):
    return [part for name in names for part in ("--arch", name)]


def test_a_manifest_is_read_once_for_all_networks(run, nets, tmp_path, monkeypatch):
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    manifest = tmp_path / "big.csv"
    manifest.write_text("image,label\nx.png,3\n")
    read = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path), original(path))[1])
    options = ("--data", manifest, "--workers", 0)
    assert run("eval", *archs("digits", f"{nets}:good"), *options).code == 0
    assert read.count(manifest) == 1


def test_each_network_has_a_row_and_its_details(run, nets):
    outcome = run("eval", *archs("digits", f"{nets}:good"), *FAKE)
    assert outcome.code == 0
    _, first, _, second = rows(outcome.out)
    name = r"\| digits \| connections \| 0.2 \| 1 \| 0/0 \| 4 \| 20\.\d\d% \| "
    row = rf"{name}{PERFORMANCE} \| \S+ \[\S+, \S+\] \|"
    assert re.fullmatch(row, first)
    assert f"{nets}:good" in second
    head, _, details = outcome.out.partition(second)
    assert head.startswith(
        "networks       2\ndata           fake:4\npruning        connections, p_"
    )
    for name in ("digits", f"{nets}:good"):
        assert re.search(rf"^network        {name}, weights .* \(sha256 ", details, re.MULTILINE)
    assert details.count("preprocessing  resize") == details.count("95% intervals") == 2
    assert details.count("realised: ") == 2


def test_a_failed_network_is_a_row_and_the_run_goes_on(run, nets):
    names = (f"{nets}:broken", f"{nets}:moody", "resnet19", "digits")
    outcome = run("eval", *archs(*names), *FAKE)
    broken, moody, unknown, _, digits = rows(outcome.out)
    assert rf"| error: {nets}:broken failed: ValueError: a\|b c |" in broken
    assert f"| {nets}:moody |" in moody
    assert "| error: the network failed on a batch of [4, 1, 32, 32]" in moody
    assert "(RuntimeError: out of mood); if it takes fewer" in moody
    assert "| error: unknown network 'resnet19'; did you mean" in unknown
    assert re.search(PERFORMANCE, digits)
    assert outcome.code == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("network-prune: error: 3 of 4 networks failed: ")
    assert last.endswith("nets.py:moody, resnet19")


def test_their_json_is_a_list_with_failures_at_its_end(run, nets, tmp_path):
    path = tmp_path / "result.json"
    names = ["digits", f"{nets}:broken"]
    outcome = run("eval", *archs(*names), *FAKE, "--json", "--output", path)
    records = json.loads(outcome.out)
    *digits, broken = records
    assert load_study(path) == digits
    assert json.loads(path.read_text())[-1] == broken
    assert digits == json.loads(run("eval", *FAKE, "--json").out)
    assert broken.keys() == {"schema", "network", "asked", "error"}
    assert broken["network"] == {"name": f"{nets}:broken"}
    assert broken["asked"] == {"weights": "default"}
    assert broken["error"].endswith("ValueError: a|b c")


def test_draws_and_warnings_are_kept_for_each(run, nets):
    options = ("--draws", 2, "--p-prune", 1, "--p-bern", 0.999999)
    outcome = run("eval", *archs("digits", f"{nets}:good"), *FAKE, *options)
    assert len(rows(outcome.out)) == 6 + 2
    assert outcome.out.count("| 0/0…1 |") == 2
    assert outcome.out.count("rows with ±: mean ± standard deviation over draws") == 2
    assert "layer conv1.0 vanishes" in outcome.out
    assert "layer 0 vanishes" in outcome.out


def test_wildcards_name_all_that_match(run):
    small = ("--weights=none", "--resize=64", "--crop=64", "--data=fake:1", "--json")
    outcome = run("eval", "--arch", "timm:convnext_atto*", "--arch", "timm:convnext_atto", *small)
    names = [record["network"]["name"] for record in json.loads(outcome.out)]
    assert names[0] == "timm:convnext_atto"
    assert 2 * len(set(names)) == len(names) > 2
    assert all("timm:convnext_atto" in name for name in names)
    assert outcome.code == 0


def test_a_wildcard_that_matches_one_network_gives_the_same_records(run):
    found, named = (run("eval", "--arch", arch, *FAKE, "--json") for arch in ("digit?", "digits"))
    assert found.out == named.out


def test_a_wildcard_that_matches_nothing_is_one_line(refused):
    assert "unknown network or pattern 'resnit*'; did you mean resnet" in refused(
        "eval", *archs("digits", "resnit*"), *FAKE
    )


@pytest.mark.parametrize(
    ("arguments", "text", "code"),
    [
        (["--p-prune", "1.3"], "p_prune=1.3 is outside", 2),
        (["--method", "conections"], "unknown method", 2),
        (["--score", "random:x"], "unknown score 'random:x'", 2),
        (["--data", "no/such/folder"], "no/such/folder", 2),
        (["--data", "gone.csv"], "no file gone.csv", 2),
        (["--data", "gone.npz"], "no file gone.npz", 2),
        (["--data", "gone-{0..2}.tar"], "no file gone-0.tar", 2),
        (["--data", "wds:gone.tar"], "no file gone.tar", 2),
        (["--data", "torchvision:CIFAR11"], "unknown torchvision data set", 2),
        (["--data", "fake:x"], "says no number", 2),
        (["--data", "hf:no/such/folder"], "neither a folder nor", 2),
        (["--image-column", "x"], "has no meaning for fake:4", 2),
        (["--limit", "0"], "limit=0", 2),
        (["--batch-size", "0"], "batch_size=0", 2),
        (["--workers", "-1"], "workers=-1 is too small", 2),
        (["--interpolation", "bicubik"], "did you mean bicubic", 2),
        (["--output", "no/such/file.json"], "no/such/file.json", 1),
        (["--device", "abacus"], "device='abacus'", 2),
        (["--weights", "w.pth"], "--weights w.pth is a file, which fits one network, not 2", 2),
    ],
)
def test_wrong_arguments_fail_before_any_network_is_loaded(
    refused, monkeypatch, arguments, text, code
):
    def load(*_: object, **__: object) -> None:
        raise AssertionError("a network was loaded")

    monkeypatch.setattr("network_prune.sources.networks.load.load_network", load)
    data = [] if "--data" in arguments else ["--data", "fake:4"]
    options = [*archs("digits", "resnet18"), *data, *arguments]
    assert text in refused("eval", *options, code=code)


def test_without_data_the_network_that_needs_it_is_named(refused):
    assert "resnet18 needs labelled images" in refused("eval", *archs("digits", "resnet18"))


def test_ctrl_c_keeps_what_is_finished(run, monkeypatch, tmp_path):
    from network_prune.study.ready_network import ReadyNetwork

    def interrupted(network, *others, **named):
        if network.arch != "digits":
            raise KeyboardInterrupt
        return ReadyNetwork(network, *others, **named)

    monkeypatch.setattr("network_prune.study.sweep.ReadyNetwork", interrupted)
    path = tmp_path / "result.json"
    outcome = run("eval", *archs("digits", "resnet18", "alexnet"), *FAKE, "--output", path)
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("network-prune: error: interrupted")
    assert len(rows(outcome.out)) == 2
    assert "95% intervals" in outcome.out
    names = [record["network"]["name"] for record in json.loads(path.read_text())]
    assert names == ["digits"] * 2


@pytest.mark.parametrize(
    ("error", "text"),
    [(MemoryError(), "out of memory; pass a smaller --batch-size"), (KeyError("x"), "KeyError")],
)
def test_any_exception_of_one_network_is_its_row(run, nets, monkeypatch, error, text):
    def exhausted(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("network_prune.study.measure.Measure.look", exhausted)
    outcome = run("eval", *archs("digits", f"{nets}:good"), *FAKE)
    assert outcome.code == 1
    assert all(f"error: {text}" in row for row in rows(outcome.out))
    assert "2 of 2 networks failed" in outcome.err


@pytest.mark.parametrize("second", ["good", "moody"])
def test_a_network_is_dropped_before_the_next_is_loaded(run, nets, monkeypatch, second):
    from network_prune.sources.networks.load import load_network

    loaded, alive = [], []

    def load(*arguments, **options):
        alive.append(sum(reference() is not None for reference in loaded))
        network = load_network(*arguments, **options)
        loaded.append(weakref.ref(network.model))
        return network

    monkeypatch.setattr("network_prune.sources.networks.load.load_network", load)
    gc.disable()
    try:
        run("eval", *archs("digits", f"{nets}:{second}", f"{nets}:good"), *FAKE)
    finally:
        gc.enable()
    assert alive[:2] == [0, 0]
    assert len(alive) == (3 if second == "moody" else 2)
    assert not any(alive)
