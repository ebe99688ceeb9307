"""Records on images of equal names and sizes, but other bytes, are not compared."""

import numpy as np
import pytest

from network_prune.errors import SourceError
from network_prune.results.comparing.comparison import compare_sets
from network_prune.results.comparing.sets import check_same_images, sets_of
from network_prune.sources.digests import SIZE, differing, sha256_of
from tests.made_studies import images, samples, variant, write_study

N = 5
DIGESTS = bytes(range(SIZE * N))
OTHER = DIGESTS[: 2 * SIZE] + bytes(SIZE) + DIGESTS[3 * SIZE :]


def study(folder, digests, *, keeps=True, read=True):
    shown = images(N, names=[f"{place}.png" for place in range(N)])
    found = [(None, samples([1, 1, 0, 1, 0])), (variant(), samples([1, 0, 0, 1, 0]))]
    changes = {"read": {"data": sha256_of(digests), "score_data": None}} if read else {}
    made = write_study(folder, found, shown=shown, **changes)
    if keeps:
        made.store.put(digests)
    return made


def test_they_are_refused_by_the_images_names(tmp_path):
    one, other = (sets_of(study(tmp_path / d.hex()[40:50], d)) for d in (DIGESTS, OTHER))
    with pytest.raises(SourceError, match=r"have equal names and sizes, but 2\.png has other byt"):
        compare_sets(other[1], one[0])
    assert compare_sets(one[1], one[0]).n == N


def test_they_are_refused_where_the_digests_are_gone(tmp_path):
    one = sets_of(study(tmp_path / "one", DIGESTS))
    other = sets_of(study(tmp_path / "other", OTHER, keeps=False))
    with pytest.raises(SourceError, match=r"but some have other bytes \(which ones isn't known"):
        check_same_images([*one, *other])


def test_records_of_before_are_compared_as_before(tmp_path):
    one = sets_of(study(tmp_path / "one", DIGESTS))
    other = sets_of(study(tmp_path / "other", OTHER, read=False))
    assert compare_sets(other[1], one[0]).n == N


def test_digests_differ_where_a_slow_look_says_so():
    generator = np.random.default_rng(0)
    for n in range(20):
        one = generator.integers(0, 2, SIZE * n, np.uint8).tobytes()
        places = set(np.flatnonzero(generator.random(n) < 0.3).tolist())
        other = b"".join(
            (b"\xff" if p in places else b"") + one[SIZE * p + (p in places) : SIZE * (p + 1)]
            for p in range(n)
        )
        assert differing(one, other) == sorted(places)
        assert differing(one, other[: SIZE * (n // 2)]) == [p for p in sorted(places) if p < n // 2]
