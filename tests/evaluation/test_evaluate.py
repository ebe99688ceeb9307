"""Evaluation sees every image once and leaves the network as it was."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import network_prune as npr
import networks
from network_prune.errors import ArgumentError, SourceError, UnsupportedNetworkError
from network_prune.evaluation.evaluate import evaluate
from network_prune.evaluation.metrics import measure
from network_prune.sources.data.pictures import make_loader


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


@pytest.mark.parametrize("options", [{"fold": False, "channels_last": False}, {}])
def test_amp_inside_an_autocast_sees_each_draw(model, data, options):
    prunable = npr.rank(model, p_prune=0.9)

    def losses():
        with npr.Redrawer(model, prunable, p_bern=0.5) as redrawer:
            for _ in range(3):
                redrawer.redraw()
                yield evaluate(model, data, amp=True, amp_dtype="bfloat16", **options).loss
        yield evaluate(model, data, amp=True, amp_dtype="bfloat16", **options).loss

    wanted = list(losses())
    with torch.autocast("cpu", torch.bfloat16):
        found = list(losses())
    assert found == wanted
    assert len(set(found)) == 4


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
        ({"workers": -1}, "workers=-1 is too small"),
        ({"dtype": "float61"}, "unknown dtype 'float61'; did you mean"),
        ({"dtype": "float16", "amp": True}, "dtype='float16' and amp=True exclude each other"),
        ({"amp_dtype": "float61"}, "unknown amp_dtype 'float61'; did you mean"),
    ],
)
def test_wrong_options_are_refused(model, data, options, text):
    with pytest.raises(ArgumentError, match=text):
        evaluate(model, data, **options)


@pytest.mark.parametrize("options", [{}, {"fold": False}, {"channels_last": False}])
def test_the_prepared_copy_scores_what_the_network_does(model, data, options):
    itself = evaluate(model, data, channels_last=False, fold=False)
    found = evaluate(model, data, **options)
    assert (found.hits1, found.hits5) == (itself.hits1, itself.hits5)
    assert found.loss == pytest.approx(itself.loss, rel=1e-5)


def test_with_everything_off_the_figures_are_the_networks_own_to_the_last_bit(model, data):
    with torch.no_grad():
        expected = measure(model(data.tensors[0]), data.tensors[1])
    found = evaluate(model, data, channels_last=False, fold=False)
    assert (found.loss_sum, found.loss_square_sum) == (
        expected.loss_sum,
        expected.loss_square_sum,
    )


def test_the_users_network_is_untouched_to_the_last_bit(model, data):
    model.train()
    before = networks.snapshot(model)
    evaluate(model, data)
    evaluate(model, data, dtype="bfloat16")
    assert networks.snapshot(model) == before


def test_a_dtype_computes_in_it(model, data):
    exact, cast = evaluate(model, data), evaluate(model, data, dtype="bfloat16")
    assert cast.loss_sum != exact.loss_sum
    assert cast.loss == pytest.approx(exact.loss, rel=0.05)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(("n", "expected"), [(1, 1), (40, 8), (10_000, 16)])
def test_workers_are_one_a_core_and_at_most_one_a_batch(n, expected, monkeypatch, data):
    monkeypatch.setattr("network_prune.sources.data.pictures.usable_cores", lambda: 16)
    images = torch.utils.data.Subset(data, [0] * n)
    for in_files, workers in ((True, expected), (False, 0)):
        loader = make_loader(images, batch_size=5, workers=None, in_files=in_files)
        assert loader.num_workers == workers


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", [{}, {"dtype": "float16"}, {"dtype": "bfloat16"}])
def test_on_the_device(model, data, options):
    here, there = evaluate(model, data), evaluate(model.cuda(), data, batch_size=5, **options)
    assert there.loss == pytest.approx(here.loss, rel=0.05)
    assert there.n == here.n
