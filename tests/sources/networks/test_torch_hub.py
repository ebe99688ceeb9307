import io
import time
import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from network_prune.errors import RunError, SourceError
from network_prune.sources.networks.load import load_network

# These networks say nothing of their pictures, which none of these tests is about.
pytestmark = pytest.mark.filterwarnings("ignore:.* doesn't say all of its preprocessing")

HUBCONF = """
dependencies = ["torch"]
from nets_of_the_hubconf import build

def net(pretrained=False, progress=True, **kwargs):
    assert not progress
    model = build(5)
    if pretrained:
        model[2].bias.data.fill_(7)
    return model

def plain():
    return build(3)

def named(*, weights=None, progress=True):
    model = build(4)
    if weights is not None:
        model[2].bias.data.fill_({"V1": 1, "V2": 2}[weights])
    return model

def ready(weights="V2"):
    return named(weights=weights, progress=False)

def online(pretrained=True):
    import urllib.error
    raise urllib.error.URLError(OSError(-2, "Name not known"))

def _hidden():
    return build(2)
"""
NETS = """
from torch import nn

def build(classes):
    print("building")
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, classes))
"""


def write_repository(folder, hubconf=HUBCONF):
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(hubconf)
    (folder / "nets_of_the_hubconf.py").write_text(NETS)
    return folder


@pytest.fixture
def repository(tmp_path):
    return write_repository(tmp_path / "my:repo")


def bias(network):
    return network.model.state_dict()["2.bias"].tolist()


def test_an_entry_that_takes_pretrained_is_called_with_it(repository, capsys):
    network = load_network(f"hub:{repository}:net")
    assert bias(network) == [7] * 5
    assert network.weights == f"as hub:{repository}:net returns them with pretrained=True"
    assert capsys.readouterr().out == ""


def test_random_weights_are_always_the_same(repository):
    network = load_network(f"hub:{repository}:net", weights="none")
    assert network.weights == "none (random, seed 0)"
    assert bias(network) != [7] * 5
    again = load_network(f"hub:{repository}:net", weights="none")
    assert again.weights_sha256 == network.weights_sha256


def test_an_entry_without_such_options_is_taken_as_it_is(repository):
    network = load_network(f"hub:{repository}:plain")
    assert network.weights == f"as hub:{repository}:plain returns them"
    assert network.classes == 3


def test_an_entry_that_takes_weights_gets_their_name(repository):
    assert bias(load_network(f"hub:{repository}:named", weights="V2")) == [2] * 4
    assert bias(load_network(f"hub:{repository}:ready")) == [2] * 4
    assert bias(load_network(f"hub:{repository}:named", weights="none")) != [2] * 4


@pytest.mark.parametrize("entry", ["net", "named", "plain"])
def test_an_entry_takes_weights_from_a_file(repository, tmp_path, entry):
    spec = f"hub:{repository}:{entry}"
    model = load_network(spec, weights="default" if entry == "plain" else "none").model
    state = {name: torch.full_like(value, 0.5) for name, value in model.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    assert set(bias(load_network(spec, weights=str(tmp_path / "w.safetensors")))) == {0.5}


@pytest.mark.parametrize("spec", ["hub:owner/repo:net", "hub:owner/repo:feature/x:net"])
def test_a_repository_in_the_cache_needs_no_connection(offline, spec):
    ref = "feature_x" if "feature" in spec else "master"
    write_repository(offline / "torch" / f"owner_repo_{ref}")
    assert bias(load_network(spec)) == [7] * 5


@pytest.mark.parametrize(
    ("spec", "folder"),
    [("hub:owner/repo:net", "owner_repo_main"), ("hub:owner/repo:v1/x:net", "owner_repo_v1_x")],
)
def test_being_offline_says_where_to_put_the_repository(offline, spec, folder):
    start = time.perf_counter()
    message = (
        rf"^can't download owner/repo\S* \(Name or service not known\); "
        rf"put the repository into {offline / 'torch'}/{folder} or pass hub:FOLDER:ENTRY$"
    )
    with pytest.raises(RunError, match=message):
        load_network(spec)
    assert time.perf_counter() - start < 15


def test_a_repository_is_downloaded_into_the_cache(offline, monkeypatch, capsys):
    def download(source, **options):
        assert (source, options) == ("owner/repo:v1", {"trust_repo": True, "verbose": False})
        print("Downloading")
        write_repository(offline / "torch" / "owner_repo_v1")
        raise ImportError("the code fails when it is listed")

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(torch.hub, "list", download)
    assert bias(load_network("hub:owner/repo:v1:net")) == [7] * 5
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("error", "reason"),
    [(urllib.error.URLError("gone\naway"), "no connection: gone"), (None, "it isn't where torch")],
)
def test_a_failed_download_is_one_clear_line(offline, monkeypatch, error, reason):
    def download(*_, **__):
        if error is not None:
            raise error

    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: io.BytesIO())
    monkeypatch.setattr(torch.hub, "list", download)
    with pytest.raises(RunError, match=rf"can't download owner/repo \({reason}") as refusal:
        load_network("hub:owner/repo:net")
    assert "\n" not in str(refusal.value)


def test_weights_that_an_entry_cant_download_are_one_clear_line(repository):
    message = r"can't download the weights of hub:.*:online \(no connection: .*checkpoints or pass"
    with pytest.raises(RunError, match=message):
        load_network(f"hub:{repository}:online")


@pytest.mark.parametrize(
    ("hubconf", "message"),
    [
        ("dependencies = ['no_such_a', 'no_such_b.c']\n", r"needs no_such_a, no_such_b\.c, which"),
        ("import no_such_a\n", "hubconf.py failed to run: it needs the module no_such_a, which"),
        ("1 / 0\n", "hubconf.py failed to run: ZeroDivisionError"),
        (HUBCONF, "hubconf.py: unknown callable 'ent'; .*pass one of build, net, plain, named"),
    ],
)
def test_a_hubconf_that_doesnt_work_is_refused_in_one_line(tmp_path, hubconf, message):
    repository = write_repository(tmp_path / "repo", hubconf)
    with pytest.raises(SourceError, match=message) as refusal:
        load_network(f"hub:{repository}:ent")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spec", "weights", "message"),
    [
        ("hub:{}:net", "V1", "has no weights 'V1'; pass default, none or a file"),
        ("hub:{}:plain", "V1", "has no weights 'V1'; pass default or a file"),
        ("hub:{}:plain", "none", "comes as its callable makes it"),
        ("hub:{}:named", "default", "makes random weights unless told which; pass --weights NAME"),
        ("hub:{}/gone:net", "default", "is neither a folder nor OWNER/REPO"),
        ("hub:net", "default", "'' is neither a folder nor OWNER/REPO"),
        ("hub:a/b:c:d:net", "default", "'a/b:c:d' is neither a folder nor OWNER/REPO"),
        ("hub:../b:net", "default", "is neither a folder nor OWNER/REPO"),
        ("hub:{}/..:net", "default", "has no hubconf.py; pass the top folder"),
    ],
)
def test_what_cant_be_had_is_refused(repository, spec, weights, message):
    with pytest.raises(SourceError, match=message):
        load_network(spec.format(repository), weights=weights)
