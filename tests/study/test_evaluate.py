"""Evaluation sees every image once and leaves the network as it was."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import network_prune
from network_prune.errors import ArgumentError, SourceError, UnsupportedNetworkError
from network_prune.study.draws import evaluate_draws
from network_prune.study.evaluate import evaluate
from network_prune.study.metrics import measure


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(6, 7)).eval()


@pytest.fixture
def data() -> TensorDataset:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 7, (23,), generator=generator)
    return TensorDataset(torch.randn(23, 3, 8, 8, generator=generator), labels)


def test_figures_are_those_of_one_pass_over_everything(model, data):
    with torch.no_grad():
        expected = measure(model(data.tensors[0]), data.tensors[1])
    found = evaluate(model, data, batch_size=5)
    assert (found.n, found.hits1, found.hits5) == (23, expected.hits1, expected.hits5)
    assert found.loss == pytest.approx(expected.loss, abs=1e-6)
    assert found.seconds > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_dataset_loader_and_batches_give_the_same(model, data, workers):
    dataset = evaluate(model, data, batch_size=5, workers=workers)
    loader = evaluate(model, DataLoader(data, batch_size=5))
    batches = evaluate(model, list(DataLoader(data, batch_size=5)))
    figures = {
        (m.n, m.hits1, m.hits5, m.loss_sum, m.loss_square_sum) for m in (dataset, loader, batches)
    }
    assert len(figures) == 1


def test_training_flags_and_statistics_are_left_alone(model, data):
    model.train()
    model[1].eval()
    flags = [module.training for module in model.modules()]
    before = model[1].running_mean.clone()
    evaluate(model, data)
    assert [module.training for module in model.modules()] == flags
    assert torch.equal(model[1].running_mean, before)


def test_training_flags_are_put_back_after_an_error(model):
    model.train()
    with pytest.raises(UnsupportedNetworkError, match="expected input"):
        evaluate(model, TensorDataset(torch.zeros(2, 5, 8, 8), torch.zeros(2, dtype=torch.long)))
    assert all(module.training for module in model.modules())


def test_half_precision_network_gets_images_of_its_dtype(model, data):
    exact, half = evaluate(model, data), evaluate(model.bfloat16(), data)
    assert half.loss == pytest.approx(exact.loss, rel=0.05)


def test_amp_computes_in_the_asked_dtype(model, data):
    seen = []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    evaluate(model, data, amp=True, amp_dtype="bfloat16")
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize("label", [-1, 7])
def test_label_without_an_output_is_refused(model, label):
    wrong = TensorDataset(torch.zeros(1, 3, 8, 8), torch.tensor([label]))
    with pytest.raises(SourceError, match=f"label {label} is outside the network's outputs 0 to 6"):
        evaluate(model, wrong)


def test_output_that_is_no_logits_is_refused(data):
    with pytest.raises(UnsupportedNetworkError, match=r"output is \[23, 3, 8, 8\] for 23 images"):
        evaluate(nn.Identity(), data)


def test_no_images_are_refused(model):
    with pytest.raises(SourceError, match="no image could be evaluated"):
        evaluate(model, [])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size=0 is too small"),
        ({"workers": -1}, "workers=-1 is negative"),
        ({"amp_dtype": "float61"}, "unknown amp_dtype 'float61'; did you mean"),
    ],
)
def test_wrong_options_are_refused(model, data, options, text):
    with pytest.raises(ArgumentError, match=text):
        evaluate(model, data, **options)


def test_each_draw_is_evaluated_as_if_it_were_alone(model, data):
    prunable = network_prune.rank(model, p_prune=0.8)
    results = list(evaluate_draws(model, prunable, data, p_bern=0.5, seed=3, indices=range(4, 7)))
    assert [result.index for result in results] == [4, 5, 6]
    for result in results:
        with network_prune.prune(model, prunable, p_bern=0.5, seed=3, index=result.index) as alone:
            metrics = evaluate(model, data)
            assert result.sha256 == alone.draw.sha256
            assert result.summary == alone.summary()
        assert result.metrics.loss_sum == metrics.loss_sum


def test_draws_that_are_the_same_are_evaluated_once(model, data, monkeypatch):
    calls = []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda images: (calls.append(1), forward(images))[1])
    prunable = network_prune.rank(model, p_prune=0.5)
    results = list(evaluate_draws(model, prunable, data, p_bern=1.0, seed=0, indices=range(3)))
    assert len(calls) == 1
    assert len({result.metrics for result in results}) == 1


def test_network_is_restored_when_the_iteration_stops_early(model, data):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prunable = network_prune.rank(model, p_prune=0.5)
    draws = evaluate_draws(model, prunable, data, p_bern=0.5, seed=0, indices=range(3))
    next(draws)
    draws.close()
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
