"""Python and the command line use the same words, one for one and one for several, and defaults."""

import inspect
import json

import pytest

import network_prune as npr
import networks
from network_prune.core.layers import Granularity
from network_prune.deploy.retraining.options import RETRAINING
from network_prune.options import METHODS, OPTIONS
from network_prune.results.study import read_study
from network_prune.study.plan import make_plan
from tests.made_studies import random_study, variant


@pytest.mark.parametrize(("several", "one"), METHODS.items())
def test_python_takes_one_and_several(several, one):
    model = networks.build("plain")
    assert Granularity(several) is Granularity(one)
    assert Granularity(one).plural == several
    first, second = (npr.rank(model, word, p_prune=0.5) for word in (several, one))
    assert first.sha256 == second.sha256
    with npr.prune(model, second) as pruned:
        assert pruned.summary().granularity is Granularity(one)


@pytest.mark.parametrize(("several", "one"), METHODS.items())
def test_plans_and_commands_take_one_and_several(run, several, one):
    assert make_plan({"method": one}) == make_plan({"method": [several]})
    assert OPTIONS["method"].read("method", (one, several)) == (several, several)
    shown = [
        json.loads(run("inspect", "--method", word, "--p-prune", 0.3, "--json").out)
        for word in (several, one)
    ]
    assert shown[0] == shown[1]
    assert shown[0]["variant"]["method"] == several


def test_records_are_chosen_by_one_and_several(tmp_path):
    made = [variant(method="weights"), variant(method="neurons")]
    random_study(tmp_path, made, n=20)
    study = read_study(tmp_path)
    chosen = study.where("method=neuron")
    assert [each["variant"]["method"] for each in chosen] == ["neurons"]
    assert [each["key"] for each in chosen] == [e["key"] for e in study.where("method=neurons")]


@pytest.mark.parametrize("word", ["kernels", "Weights", "", None, 3, ["weight"]])
def test_other_words_are_refused(word):
    with pytest.raises(npr.NetworkPruneError, match="unknown granularity"):
        npr.rank(networks.build("plain"), word, p_prune=0.5)


FUNCTIONS = (
    npr.bench,
    npr.evaluate,
    npr.find,
    npr.load_data,
    npr.load_network,
    npr.prune,
    npr.prune_connections,
    npr.prune_neurons,
    npr.prune_weights,
    npr.rank,
    npr.recalibrate,
    npr.retrain,
)
# In Python the paper's single weights are ranked unless another word is said, and connections by
# commands; layers are types there.
OTHERWISE = {"layers"}


def as_said(default):
    """A default as Python says it: a single one not in a tuple."""
    if isinstance(default, tuple | list):
        return as_said(default[0]) if len(default) == 1 else (tuple(default) or None)
    return default or None


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.__name__)
def test_defaults_are_those_of_the_options(function):
    options = RETRAINING if function is npr.retrain else OPTIONS
    shared = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name in options and name not in OTHERWISE and parameter.default is not parameter.empty
    }
    assert shared or function is npr.find
    for name, default in shared.items():
        # None stands for the default where the function finds it out.
        assert default is None or as_said(default) == as_said(options[name].default), name
