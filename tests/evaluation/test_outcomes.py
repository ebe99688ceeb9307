"""Two bits an image: what goes in comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_prune.evaluation.metrics import Samples
from network_prune.evaluation.outcomes import (
    LEFT_OUT,
    RIGHT_AT_1,
    RIGHT_AT_5,
    WRONG,
    Outcomes,
    pack_losses,
    unpack_samples,
)

LOSSES = st.one_of(st.none(), st.integers(-(2**62), 2**62))
IMAGES = st.lists(st.tuples(st.sampled_from([WRONG, RIGHT_AT_5, RIGHT_AT_1]), LOSSES))


def samples_of(images):
    return Samples(
        hits1=tuple(code == RIGHT_AT_1 for code, _ in images),
        hits5=tuple(code != WRONG for code, _ in images),
        losses=tuple(loss for _, loss in images),
        ties=(False,) * len(images),
    )


@given(IMAGES)
def test_samples_come_back_as_they_were(images):
    samples = samples_of(images)
    outcomes = Outcomes.of(samples)
    assert list(outcomes.codes) == [code for code, _ in images]
    packed = outcomes.pack()
    assert len(packed) == -(-len(images) // 4)
    assert Outcomes.unpack(packed, len(images)) == outcomes
    assert unpack_samples(outcomes, pack_losses(samples.losses)) == samples


@given(IMAGES, st.sets(st.integers(0, 12)))
def test_images_that_were_left_out_keep_their_places(images, positions):
    positions = {p for p in positions if p < len(images)}
    n = len(images) + len(positions)
    whole = Outcomes.of(samples_of(images)).leave_out(positions)
    assert len(whole) == n
    assert {p for p, code in enumerate(whole.codes) if code == LEFT_OUT} == positions
    assert [c for c in whole.codes if c != LEFT_OUT] == [code for code, _ in images]
    assert Outcomes.unpack(whole.pack(), n) == whole
    assert whole.seen.sum() == len(images)
    assert not (whole.right1 | whole.right5)[~whole.seen].any()
    if positions:
        assert unpack_samples(whole, b"\0" * 8 * n) is None


def test_parts_add_up():
    parts = [Outcomes(bytes([WRONG, RIGHT_AT_1])), Outcomes(bytes([RIGHT_AT_5]))]
    whole = sum(parts, Outcomes())
    assert whole.right1.tolist() == [False, True, False]
    assert whole.right5.tolist() == [False, True, True]


def test_other_numbers_of_images_are_refused():
    packed = Outcomes(bytes([RIGHT_AT_1] * 9)).pack()
    with pytest.raises(ValueError, match="3 bytes aren't the outcomes of 13 images"):
        Outcomes.unpack(packed, 13)
    assert unpack_samples(Outcomes(bytes(3)), b"\0" * 16) is None


def test_a_loss_that_fits_no_int64_is_not_packed():
    assert pack_losses([1, 2**70]) is None
