"""Code of a user's that wants to end the program fails the run, which says whose it was."""

import argparse
import os
import signal
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

from network_prune import evaluate, rank
from network_prune.core.foreign_code import guarded, no_exits
from network_prune.errors import RunError, UserCodeError

HERE = r"test_foreign_code\.py:\d+ \((?:.*\.)?{name}\) wants to end the program \({told}\)"


def exiting():
    sys.exit(0)


def parsing():
    argparse.ArgumentParser().parse_args(["--no-such-flag"])


def closing():
    raise GeneratorExit


def grouping():
    raise BaseExceptionGroup("two", [KeyboardInterrupt(), SystemExit()])


class Panic(BaseException):
    """As libraries in other languages raise it."""


def panicking():
    raise Panic("lost")


@pytest.mark.parametrize(
    ("leave", "told"),
    [
        (panicking, "Panic: lost"),
        (exiting, "SystemExit: 0"),
        (parsing, "SystemExit: 2"),
        (closing, "GeneratorExit"),
        (grouping, r"BaseExceptionGroup: two \(2 sub-exceptions\)"),
    ],
)
def test_every_way_to_end_a_program_is_an_error_that_names_whose_it_was(leave, told):
    with (
        pytest.raises(UserCodeError, match=HERE.format(name=leave.__name__, told=told)),
        no_exits(),
    ):
        leave()


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), ValueError(), ExceptionGroup("a", [OSError()])]
)
def test_what_ends_no_program_is_left_alone(error):
    with pytest.raises(type(error)) as found, no_exits():
        raise error
    assert found.value is error


def test_a_callers_own_handler_of_signals_may_end_the_program():
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    try:
        with pytest.raises(SystemExit) as stop, no_exits():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stop.value.code == 7


class Leaving(nn.Sequential):
    """Ends the program at one of its calls."""

    def __init__(self, place):
        super().__init__(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
        self.place = place
        if place == "hook":
            self[0].register_forward_hook(lambda *_: exiting())

    def forward(self, images):
        if self.place == "forward":
            exiting()
        return super().forward(images)

    def train(self, mode=True):
        if self.place == "train":
            exiting()
        return super().train(mode)


IMAGES = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize("place", ["forward", "hook", "train"])
def test_a_network_that_exits_fails_the_evaluation(place):
    model = Leaving(place)
    with pytest.raises(UserCodeError, match=HERE.format(name="exiting", told="SystemExit: 0")):
        evaluate(model, IMAGES)
    if place != "train":
        with pytest.raises(UserCodeError, match="wants to end the program"):
            rank(model, score="taylor", p_prune=0.5, data=IMAGES)


class Pictures(Dataset):
    def __init__(self, leave):
        self.leave = leave

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.leave() if index == 3 else (torch.zeros(1, 8, 8), 0)


class Stream(Pictures, IterableDataset):
    def __iter__(self):
        return map(self.__getitem__, range(4))


@pytest.mark.parametrize("workers", [0, 1])
def test_data_that_exit_fail_the_evaluation_in_workers_too(workers):
    with pytest.raises(UserCodeError, match=HERE.format(name="exiting", told="SystemExit: 0")):
        evaluate(Leaving(None), Pictures(exiting), workers=workers)


@pytest.mark.parametrize("data", [DataLoader(Pictures(exiting)), Stream(exiting)])
def test_iterables_that_exit_fail_the_evaluation(data):
    with pytest.raises(UserCodeError, match="wants to end the program"):
        evaluate(Leaving(None), data)


def dying():
    os._exit(0)


@pytest.mark.parametrize("data", [Pictures(dying), DataLoader(Pictures(exiting), num_workers=1)])
def test_a_worker_that_is_gone_is_one_line(data):
    with pytest.raises(RunError, match=r"a process that reads images has ended \(.*workers=0"):
        evaluate(Leaving(None), data, workers=1)


def test_other_errors_of_data_are_their_own():
    def failing():
        yield 1
        raise RuntimeError("their own")

    with pytest.raises(RuntimeError, match="their own"):
        list(guarded(failing()))
