import pytest
import torch

from network_prune.errors import SourceError
from network_prune.sources.networks.catalogue import (
    count_parameters,
    expand,
    find_networks,
    is_pattern,
)
from network_prune.sources.networks.load import load_network


def named(pattern):
    return [entry.name for entry in find_networks(pattern)]


def weights_of(name):
    (entry,) = (entry for entry in find_networks(name) if entry.name == name)
    return entry.weights


def test_every_kind_of_name_is_known():
    names = [entry.name for entry in find_networks()]
    assert names[0] == "digits"
    assert {"resnet18", "vit_h_14", "timm:resnet50", "timm:convnext_atto"} <= set(names)
    assert len(set(names)) == len(names)


def test_a_word_is_a_part_of_a_name_and_wildcards_match_all_of_it():
    assert {"resnet18", "wide_resnet50_2", "timm:resnet50d"} <= set(named("ResNet"))
    assert "wide_resnet50_2" not in named("resnet*")
    assert named("resnet1[08]") == ["resnet18"]
    assert all(name.startswith("timm:convnext_atto") for name in named("timm:convnext_atto*"))


def test_a_dot_asks_for_each_of_timms_weights():
    assert "timm:resnet50.a1_in1k" in named("timm:resnet50.*")
    assert named("timm:resnet50.a1_in1k") == ["timm:resnet50.a1_in1k"]
    assert "timm:resnet50.a1_in1k" not in named("timm:resnet50*")


def test_the_default_weights_come_first():
    assert weights_of("digits") == ("default",)
    assert weights_of("resnet50") == ("IMAGENET1K_V1", "IMAGENET1K_V2")
    assert weights_of("vit_h_14")[0] == "IMAGENET1K_SWAG_E2E_V1"
    assert weights_of("timm:resnet50")[0] == "a1_in1k"
    assert len(weights_of("timm:resnet50")) > 10


def test_networks_that_are_no_classifiers_are_left_out():
    names = {entry.name for entry in find_networks()}
    assert "timm:vit_small_patch14_dinov2" not in names
    assert "fcn_resnet50" not in names
    # Its default weights have no classifier, but one of the others do.
    family = "timm:vit_so400m_patch14_siglip_378"
    assert family not in names
    assert f"{family}.webli_ft_in1k" in names
    assert "dinov3_lvd1689m" not in weights_of("timm:convnext_base")


def test_networks_whose_preprocessing_is_refused_are_left_out():
    with pytest.raises(SourceError, match="unknown network or pattern"):
        find_networks("timm:volo_d5_512")
    with pytest.raises(SourceError, match="isn't supported"):
        load_network("timm:volo_d5_512", weights="none")


@pytest.mark.parametrize(
    "name",
    ["digits", "resnet18", "googlenet", "inception_v3", "regnet_y_400mf", "timm:resnet10t"],
)
def test_parameters_are_those_of_the_network_that_is_loaded(name):
    before = torch.get_rng_state()
    model = load_network(name, weights="none").model
    assert count_parameters(name) == sum(parameter.numel() for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_parameters_of_networks_that_need_memory_are_unknown(monkeypatch):
    def build(*_, **__):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")

    monkeypatch.setattr("timm.create_model", build)
    assert count_parameters("timm:resnet10t") is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("resnit*", r"unknown network or pattern 'resnit\*'; did you mean resnet"),
        ("timm:convnexd_atto", "did you mean timm:convnext_atto"),
        (
            "zzzqqq",
            r"none of the \d+ known names is like it; network-prune list shows all classifiers",
        ),
    ],
)
def test_what_matches_nothing_is_refused_with_the_nearest_names(pattern, message):
    with pytest.raises(SourceError, match=message):
        find_networks(pattern)


def test_wildcards_expand_where_they_stand_and_each_network_once():
    assert expand(["resnet34", "resnet?8", "digits", "resnet34"]) == [
        "resnet34",
        "resnet18",
        "digits",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet*", True),
        ("resnet1?", True),
        ("timm:resnet[13]*", True),
        ("net[1].py:make", False),
        ("hf:runs/vit[1]", False),
        ("hub:runs/net[1]:make", False),
    ],
)
def test_files_of_the_users_are_no_patterns(name, expected):
    assert is_pattern(name) is expected
