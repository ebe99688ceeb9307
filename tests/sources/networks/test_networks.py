import re
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file

from network_prune.errors import ArgumentError, NetworkPruneError, RunError, SourceError
from network_prune.sources.networks.load import load_network
from network_prune.sources.networks.weights.fit import hash_weights
from network_prune.sources.preprocessing import Preprocessing

GREY_CIFAR = """
import torch
from torch import nn

class Net(nn.Sequential):
    default_cfg = {"input_size": (1, 32, 32), "mean": (0.5,), "std": (0.2,), "crop_pct": 1.0}

def make():
    return Net(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 7))

def plain():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5))

def features():
    return nn.Conv2d(3, 4, 3)

def pair():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x
    return Pair()

def nothing():
    return None

def broken():
    raise ValueError("two\\nlines")

number = 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(GREY_CIFAR)
    return str(path)


@pytest.mark.parametrize("spec", ["digits", "resnet18", "timm:resnet10t"])
def test_random_weights_are_always_the_same_and_touch_no_random_state(spec):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = load_network(spec, weights="none")
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    assert load_network(spec, weights="none").weights_sha256 == first.weights_sha256
    assert first.weights == "none (random, seed 0)"
    assert not first.model.training


def test_a_file_of_weights_for_the_digits_network(tmp_path):
    random = load_network(weights="none")
    save_file(random.model.state_dict(), tmp_path / "w.safetensors")
    loaded = load_network(weights=str(tmp_path / "w.safetensors"))
    assert loaded.weights == str(tmp_path / "w.safetensors")
    assert loaded.weights_sha256 == random.weights_sha256


@pytest.mark.parametrize("spec", ["googlenet", "inception_v3"])
def test_side_heads_that_only_train_are_left_out(spec, tmp_path):
    network = load_network(spec, weights="none")
    assert network.classes == 1000
    assert network.model.transform_input
    assert not any("aux" in name.lower() for name, _ in network.model.named_parameters())
    with torch.random.fork_rng():
        published = torchvision.models.get_model(spec, weights=None, init_weights=False)
    torch.save(published.state_dict(), tmp_path / "w.pth")
    assert load_network(spec, weights=str(tmp_path / "w.pth")).classes == 1000


def test_densenets_load_from_files_in_the_old_names(tmp_path):
    model = load_network("densenet121", weights="none")
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])\.")
    state = {old.sub(r"\1.\2.", key): value for key, value in model.model.state_dict().items()}
    torch.save(state, tmp_path / "w.pth")
    loaded = load_network("densenet121", weights=str(tmp_path / "w.pth"))
    assert loaded.weights_sha256 == model.weights_sha256


def test_versioned_networks_load_from_safetensors(tmp_path):
    model = load_network("mnasnet0_5", weights="none")
    save_file(model.model.state_dict(), tmp_path / "w.safetensors")
    loaded = load_network("mnasnet0_5", weights=str(tmp_path / "w.safetensors"))
    assert loaded.weights_sha256 == model.weights_sha256


def cache_torchvision(name, weights, folder):
    """Put random weights where torchvision would download the published ones to."""
    url = torchvision.models.get_model_weights(name)[weights].url
    folder.mkdir(parents=True, exist_ok=True)
    model = load_network(name, weights="none").model
    torch.save(model.state_dict(), folder / url.rpartition("/")[2])


@pytest.mark.parametrize(
    ("name", "asked", "got"),
    [
        ("mobilenet_v2", "default", "IMAGENET1K_V1"),
        ("mobilenet_v2", "IMAGENET1K_V2", "IMAGENET1K_V2"),
    ],
)
def test_published_weights_come_from_the_cache_with_their_preprocessing(offline, name, asked, got):
    cache_torchvision(name, got, offline / "torch" / "checkpoints")
    network = load_network(name, weights=asked)
    assert network.weights == got
    preset = torchvision.models.get_model_weights(name)[got].transforms()
    assert (network.preprocessing.resize,) == tuple(preset.resize_size)


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("DEFAULT", "IMAGENET1K_V1"),
        ("Default", "IMAGENET1K_V1"),
        ("MobileNet_V2_Weights.IMAGENET1K_V2", "IMAGENET1K_V2"),
        (torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1, "IMAGENET1K_V1"),
        (torchvision.models.MobileNet_V2_Weights.DEFAULT, "IMAGENET1K_V2"),
    ],
)
def test_names_of_published_weights_may_be_written_otherwise(offline, asked, got):
    cache_torchvision("mobilenet_v2", got, offline / "torch" / "checkpoints")
    assert load_network("mobilenet_v2", weights=asked).weights == got


@pytest.mark.parametrize("asked", [None, "NONE"])
def test_no_weights_are_random_ones(asked):
    random = load_network(weights="none")
    network = load_network(weights=asked)
    assert (network.weights_sha256, network.weights) == (random.weights_sha256, random.weights)


@pytest.mark.parametrize("name", ["w.pth", "IMAGENET1K_V1"])
def test_a_path_is_a_file_whatever_its_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=f"no weights file {name}"):
        load_network(weights=Path(name))
    torch.save(load_network(weights="none").model.state_dict(), name)
    random = load_network(weights="none")
    assert load_network(weights=Path(name)).weights_sha256 == random.weights_sha256


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_published_weights_are_loaded_without_their_side_heads(offline, name):
    with torch.random.fork_rng():
        theirs = torchvision.models.get_model(name, weights=None, init_weights=False).state_dict()
    (weights,) = torchvision.models.get_model_weights(name)
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(theirs, folder / weights.url.rpartition("/")[2])
    model = load_network(name).model
    ours = model.state_dict()
    assert model.transform_input
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items())
    assert {key.partition(".")[0].lower() for key in theirs.keys() - ours.keys()} <= {
        "aux1",
        "aux2",
        "auxlogits",
    }


def test_published_weights_say_how_large_a_vision_transformers_pictures_are(offline):
    weights = torchvision.models.get_model_weights("vit_b_16")["IMAGENET1K_SWAG_E2E_V1"]
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    theirs = torchvision.models.vit_b_16(image_size=384)
    torch.save(theirs.state_dict(), folder / weights.url.rpartition("/")[2])
    network = load_network("vit_b_16", weights=weights.name)
    assert network.preprocessing.shape == (3, 384, 384)
    assert network.weights_sha256 == hash_weights(theirs)


@pytest.fixture
def no_connection(monkeypatch, any_weights):
    """No connection, and the libraries look into their folders as they do at a user's."""

    def refuse(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def library_folders():
    return torch.hub.get_dir(), huggingface_hub.constants.HF_HUB_CACHE


def test_torchvision_weights_are_found_in_the_cache_dir(no_connection, tmp_path):
    cache_torchvision("mobilenet_v2", "IMAGENET1K_V1", tmp_path / "torch" / "checkpoints")
    before = library_folders()
    network = load_network("mobilenet_v2", cache_dir=tmp_path)
    assert network.weights == "IMAGENET1K_V1"
    assert library_folders() == before


def test_timm_weights_are_found_in_the_cache_dir(no_connection, tmp_path):
    random = load_network("timm:resnet10t.c3_in1k", weights="none")
    repository = tmp_path / "huggingface" / "hub" / "models--timm--resnet10t.c3_in1k"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    save_file(random.model.state_dict(), snapshot / "model.safetensors")
    network = load_network("timm:resnet10t", cache_dir=tmp_path)
    assert network.weights_sha256 == random.weights_sha256


def test_the_libraries_folders_are_put_back_after_a_failure(no_connection, tmp_path):
    before = library_folders()
    place = str(tmp_path / "torch" / "checkpoints")
    with pytest.raises(RunError, match=f"resnet18-f37072fd.pth .*put the file into {place}"):
        load_network("resnet18", cache_dir=tmp_path)
    assert library_folders() == before


def test_a_cache_dir_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file \(--cache-dir\) can't be made \(File exists\)"):
        load_network(cache_dir=tmp_path / "file")


def test_default_weights_are_taken_where_there_is_no_v1(offline):
    weights = torchvision.models.get_model_weights("vit_h_14")
    assert "IMAGENET1K_V1" not in weights.__members__
    with pytest.raises(RunError, match=weights.DEFAULT.url.rpartition("/")[2]):
        load_network("vit_h_14")


def test_cached_weights_that_need_code_are_refused(offline):
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(torch.nn.Linear(1, 1), folder / "resnet18-f37072fd.pth")
    with pytest.raises(SourceError, match="needs code to load"):
        load_network("resnet18")


def test_cached_weights_of_another_network_are_one_line(offline):
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(torch.nn.Linear(1, 1).state_dict(), folder / "resnet18-f37072fd.pth")
    with pytest.raises(SourceError, match=r"resnet18-f37072fd.pth can't be loaded as the weights"):
        load_network("resnet18")


@pytest.mark.parametrize("content", [b"junk", b"\2\0\0\0\0\0\0\0{}"])
def test_timms_cached_weights_that_are_others_are_one_line(offline, monkeypatch, content):
    path = offline / "model.safetensors"
    path.write_bytes(content)
    monkeypatch.setattr("network_prune.sources.networks.from_timm.fetch_from_hub", lambda *_: path)
    with pytest.raises(SourceError, match=r"model.safetensors can't be loaded as the weights of"):
        load_network("timm:resnet10t")


class Touching:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_timms_cached_weights_that_need_code_run_none(offline, monkeypatch):
    """Releases of timm before 1.0.26 would have run it."""
    path = offline / "pytorch_model.bin"
    torch.save({"state_dict": Touching(offline / "touched")}, path)
    monkeypatch.setattr("network_prune.sources.networks.from_timm.fetch_from_hub", lambda *_: path)
    with pytest.raises(SourceError, match=r"pytorch_model.bin can't be loaded as the weights of"):
        load_network("timm:resnet10t")
    assert not (offline / "touched").exists()


def test_timm_weights_come_from_the_cache_with_their_preprocessing(offline, monkeypatch):
    import huggingface_hub

    random = load_network("timm:resnet10t.c3_in1k", weights="none")
    save_file(random.model.state_dict(), offline / "model.safetensors")
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda repository, name, **_: str(offline / name) if "safe" in name else None,
    )
    network = load_network("timm:resnet10t")
    assert (network.weights, network.classes) == ("c3_in1k", 1000)
    assert network.weights_sha256 == random.weights_sha256
    assert network.preprocessing == random.preprocessing
    assert network.preprocessing.crop == 176
    assert load_network("timm:resnet10t", weights="c3_in1k").weights == "c3_in1k"


@pytest.mark.parametrize(
    ("spec", "weights", "message"),
    [
        ("resnt18", "default", "unknown network 'resnt18'; did you mean resnet18"),
        ("digit", "default", "did you mean digits"),
        (
            "mobilenetv3_small_050",
            "default",
            "unknown network .*; torchvision has none of that name, but timm: "
            "timm:mobilenetv3_small_050$",
        ),
        ("resnet50.a1_in1k", "default", r"but timm: timm:resnet50\.a1_in1k$"),
        ("resnet18", 3, "weights=3 is a int; pass a name, a path, a member of torchvision's"),
        (
            "resnet18",
            torchvision.models.ResNet50_Weights.IMAGENET1K_V2,
            r"unknown weights for resnet18 'ResNet50_Weights\.IMAGENET1K_V2'",
        ),
        ("fcn_resnet50", "none", "unknown network 'fcn_resnet50'"),
        (
            "gs:x/y",
            "default",
            "unknown kind of network .gs:x/y.; pass one of: digits, digits-plain",
        ),
        ("timm:resnt50", "none", "unknown timm network 'resnt50'; did you mean resnet50"),
        ("timm:resnet50.a9", "default", "unknown timm network 'resnet50.a9'; did you mean"),
        (
            "timm:resnet50",
            "a1_in",
            "unknown weights for timm:resnet50 'a1_in'; did you mean a1_in1k",
        ),
        ("timm:resnet9000d", "none", "unknown timm network"),
        ("timm:test_none", "none", "unknown timm network"),
        ("resnet18", "IMAGENET1K_V2", "unknown weights for resnet18.*mean IMAGENET1K_V1"),
        ("digits", "V2", "digits has no weights 'V2'; pass default, none or a file"),
        ("resnet18", "gone.pth", r"no weights file gone\.pth"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "none", "has no classifier"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "default", "has no classifier"),
        ("gone.py:make", "default", r"no file gone\.py; pass file\.py:callable"),
    ],
)
def test_refusals_name_what_was_asked(spec, weights, message):
    with pytest.raises(NetworkPruneError, match=message):
        load_network(spec, weights=weights)


def test_timm_networks_without_published_weights_say_so():
    names = timm.list_models(pretrained=False)
    name = next(n for n in names if not timm.models.is_model_pretrained(n))
    with pytest.raises(SourceError, match=f"timm has no weights for {name}; pass --weights none"):
        load_network(f"timm:{name}")


def test_own_networks_bring_their_preprocessing(own):
    network = load_network(f"{own}:make")
    assert network.preprocessing == Preprocessing(32, 32, "bicubic", mean=(0.5,), std=(0.2,))
    assert (network.classes, network.name) == (7, f"{own}:make")
    assert network.weights == f"as {own}:make returns them"
    assert load_network(f"{own}:make").weights_sha256 == network.weights_sha256


def test_own_networks_without_a_configuration_get_imagenets(own):
    with pytest.warns(UserWarning, match="plain doesn't say all of its preprocessing"):
        network = load_network(f"{own}:plain")
    assert (network.preprocessing, network.classes) == (Preprocessing(), 5)


def test_a_call_may_say_what_input_a_network_takes(own):
    options = {"resize": 40, "crop": 32, "mean": None, "interpolation": "bicubic"}
    network = load_network(f"{own}:fixed", preprocessing=options, warn=False)
    assert network.preprocessing == Preprocessing(40, 32, "bicubic")
    with pytest.raises(ArgumentError, match="unknown preprocessing option 'side'"):
        load_network(f"{own}:fixed", preprocessing={"side": 32})


def test_own_networks_take_weights_from_a_file(own, tmp_path):
    state = load_network(f"{own}:make").model.state_dict()
    save_file({name: value + 1 for name, value in state.items()}, tmp_path / "w.safetensors")
    network = load_network(f"{own}:make", weights=str(tmp_path / "w.safetensors"))
    assert torch.equal(network.model.state_dict()["3.bias"], state["3.bias"] + 1)
    assert network.preprocessing.channels == 1


def test_own_files_may_import_their_neighbours(tmp_path):
    (tmp_path / "neighbour_of_net.py").write_text("CLASSES = 4\n")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "from neighbour_of_net import CLASSES\n"
        "def make():\n"
        "    return nn.Sequential(nn.AvgPool2d(224), nn.Flatten(), nn.Linear(3, CLASSES))\n"
    )
    before = list(sys.path)
    assert load_network(f"{tmp_path / 'net.py'}:make", warn=False).classes == 4
    assert sys.path == before


def test_lazy_layers_are_made_and_always_the_same(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.AvgPool2d(224), nn.Flatten(), nn.LazyLinear(4))\n"
    )
    spec = f"{tmp_path / 'net.py'}:make"
    first, again = (load_network(spec, warn=False).weights_sha256 for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("mak", "default", "unknown callable 'mak'; did you mean make"),
        ("number", "default", "unknown callable 'number'"),
        ("nothing", "default", "nothing returned a NoneType; it must return an nn.Module"),
        ("broken", "default", "broken failed: ValueError: two lines$"),
        ("fixed", "default", r"can't take an input of \[3, 224, 224\] .*--mean .*default_cfg"),
        ("features", "default", r"features gives \[1, 4, 222, 222\] for one picture"),
        ("pair", "default", "pair gives tuple for one picture"),
        ("make", "none", "comes as its callable makes it"),
        ("make", "V1", "has no weights 'V1'; pass default or a file"),
    ],
)
def test_own_networks_are_refused_in_one_line(own, name, weights, message):
    with pytest.raises(SourceError, match=message) as refusal:
        load_network(f"{own}:{name}", weights=weights)
    assert "\n" not in str(refusal.value)


def test_own_files_that_fail_or_are_no_python_are_named(tmp_path):
    (tmp_path / "bad.py").write_text("1 +\n")
    with pytest.raises(SourceError, match=r"bad\.py failed to run: SyntaxError: "):
        load_network(f"{tmp_path / 'bad.py'}:make")
