"""Settings of the whole process are put back whatever interrupts, and whoever else needs them."""

import pytest

from interrupts import interrupt, lines_of
from network_prune.process_wide import ProcessWide

# What is dropped while it is interrupted may run code that is interrupted.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class _Level:
    """A setting that says how often it was written."""

    def __init__(self):
        self.value, self.writes = 0, 0

    def write(self, value):
        self.value, self.writes = value, self.writes + 1


def _setting():
    level = _Level()
    return level, ProcessWide(lambda: level.value, level.write, lambda: 1)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_it_is_set_once_and_the_last_puts_it_back(order):
    level, setting = _setting()
    needs = [setting.needed(), setting.needed()]
    for need in needs:
        need.__enter__()
    assert (level.value, level.writes) == (1, 1)
    needs[order[0]].__exit__(None, None, None)
    assert (level.value, level.writes) == (1, 1)
    needs[order[1]].__exit__(None, None, None)
    assert (level.value, level.writes) == (0, 2)
    with setting.needed():
        assert level.value == 1


def test_one_that_cannot_be_set_is_not_needed():
    def refuse():
        raise ValueError("not here")

    setting = ProcessWide(refuse, refuse, refuse)
    for _ in range(2):
        with pytest.raises(ValueError, match="not here"), setting.needed():
            raise AssertionError("it ran")


@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside another"])
def test_interrupted_anywhere_it_is_put_back_and_can_be_set_again(others):
    level, setting = _setting()
    other = setting.needed()

    def need():
        with setting.needed():
            assert level.value == 1

    if others:
        other.__enter__()
    count = len(lines_of(need))
    for first in range(1, count + 1):
        for second in (*range(1, count + 1), None):
            interrupt(need, first, *([second] if second else []))
            # The second one may come where Python ignores exceptions.
            assert second or (level.value > 0) == others, first
            need()
            assert (level.value > 0) == others, (first, second)
    if others:
        other.__exit__(None, None, None)
    assert level.value == 0
