"""Halving finds the last step that holds, and asks seldom."""

from hypothesis import given
from hypothesis import strategies as st

from network_prune.deploy.find.search import last_that_holds


@given(steps=st.integers(1, 300), data=st.data())
def test_it_finds_the_last_that_holds(steps, data):
    last = data.draw(st.integers(0, steps))
    asked = []

    def holds(step):
        asked.append(step)
        return step <= last

    assert last_that_holds(steps, holds) == last
    assert len(asked) <= steps.bit_length()
    assert len(asked) == len(set(asked))


@given(steps=st.integers(1, 100), held=st.sets(st.integers(1, 100)))
def test_whatever_holds_what_is_found_does_and_its_next_does_not(steps, held):
    asked = {}

    def holds(step):
        asked[step] = step in held
        return asked[step]

    found = last_that_holds(steps, holds)
    assert found == 0 or asked[found]
    assert found == steps or not asked[found + 1]
    assert len(asked) <= 7
