"""Transfer records in which anything is exchanged or missing are refused, or shown; no traceback.

Checksums and keys are made to fit, as a stranger's would.
"""

import json
import random
import warnings

import pytest

from network_prune.errors import NetworkPruneError, SourceError
from network_prune.reports.transfer.head import row_line
from network_prune.reports.transfer.lines import transfer_lines
from network_prune.results.images import Images
from network_prune.results.outcome_store import OutcomeStore, WrittenOutcomes
from network_prune.transfer.record_key import record_key
from network_prune.transfer.transferred import Transfer, load_transfer
from tests import made_transfers
from tests.exchanged_parts import VALUES, exchanged, forged_line, places
from tests.transfer.attacked_rows import folder as of_folder

ALL = 1000


def write(folder, records):
    texts = (json.dumps(each, separators=(",", ":")) for each in records)
    lines = (forged_line(text.replace("Infinity", "1e999").encode()) for text in texts)
    (folder / "transfer.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def with_key(record):
    """A record with the key of what it says, where such a thing has a key."""
    try:
        return {**record, "key": record_key(record)}
    except (KeyError, TypeError, ValueError):
        return record


UNKNOWN = ("iterations", "passes", "passes_per_iteration", "seconds", "seconds_drawing")
OF_KIND = {
    "dwp": {"augmentation": "dwp"},
    "bound": {"bound": ["third"]},
    "folder": {
        **dict.fromkeys(UNKNOWN),
        **{name: of_folder().record[name] for name in ("augmentation", "attack", "points")},
    },
}


def records(store, kind):
    """Two augmentations of which the second is a ``kind``, this under two seeds."""
    made = made_transfers.predictions(["net", "other"], points=1, n=9)
    read = {"images": store.put(bytes(8 * 9))}
    rows = [{"augmentation": "none"}, {**OF_KIND[kind]}, {**OF_KIND[kind], "seed": 1}]
    found = [_record(store, made, read=read, **each) for each in rows]
    return json.loads(json.dumps([with_key(each) for each in found]))


def _record(store, made, **options):
    """A record of which any part may be said; it has no key yet."""
    changes = {name: options.pop(name) for name in UNKNOWN if name in options}
    if isinstance(options.get("augmentation"), dict):
        changes["augmentation"] = options.pop("augmentation")
    return {**made_transfers.record(store, made, **options), **changes}


@pytest.fixture(params=OF_KIND)
def run(request, tmp_path):
    """A folder of a run, and its records."""
    store = WrittenOutcomes(tmp_path)
    found = records(store, request.param)
    store.close()
    write(tmp_path, found)
    return tmp_path, found


def forged(record, place, value):
    """A record with an exchanged part, and the key of what it says now."""
    record = exchanged(record, place, value)
    return record if place == ("key",) else with_key(record)


def look(folder):
    """Make all that is made of a run's folder, unless one of its lines is told as damaged."""
    found = load_transfer(folder)
    if found.notices:
        return
    sets, compared = found.sets, found.compare()
    found.rows()
    compared.rows()
    for markdown in (False, True):
        transfer_lines(sets, compared, markdown=markdown)
    for each in sets:
        row_line(each)
    repr(found)
    found._repr_html_()


def refused(folder):
    """What a folder is refused with, or what is told of it; anything but our own error goes on."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            look(folder)
    except NetworkPruneError as error:
        return str(error)
    return "".join(str(each.message) for each in told)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("some", [4, pytest.param(ALL, marks=pytest.mark.slow)])
def test_anything_may_be_exchanged_in_a_transfer_record(run, name, some):
    folder, (*others, last) = run
    assert refused(folder) == ""
    ways = list(places(last))
    for place in random.Random(name).sample(ways, min(some, len(ways))):
        write(folder, [*others, forged(last, place, VALUES[name])])
        told = refused(folder)
        assert "\n" not in told, place
        assert len(told) < 1000, place


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("points", 0, "iteration"), 39),
        (("points",), []),
        (("attack", "goal"), "untargeted"),
        (("passes",), 7.5),
    ],
)
def test_what_contradicts_itself_is_told_as_damage(run, place, value):
    folder, (*others, last) = run
    write(folder, [*others, forged(last, place, value)])
    told = refused(folder)
    assert "line 3 is damaged (it" in told
    is_end = place[-1] == "iteration" and last["iterations"] is not None
    assert ("its points don't end where it does" in told) == is_end


def test_a_variant_in_a_transfer_record_is_damage(run):
    folder, (*others, last) = run
    first = {name: last[name] for name in ("schema", "key")}
    write(folder, [*others, {**first, **last, "variant": {}}])
    assert "line 3 is damaged (it is no record)" in refused(folder)


def test_a_bound_has_weights_for_each_of_its_networks(tmp_path):
    *others, last = records(WrittenOutcomes(tmp_path), "bound")
    write(tmp_path, [*others, forged(last, ("augmentation", "networks"), ["a", "b"])])
    assert "it has more networks beside its surrogates than weights" in refused(tmp_path)


@pytest.mark.parametrize(
    "other",
    [{"networks": ["net", "third"]}, {"points": 2}, {"n": 8}],
    ids=lambda other: next(iter(other)),
)
def test_predictions_of_another_record_are_refused(other):
    store = OutcomeStore()
    *_, last = records(store, "dwp")
    usual = {"networks": ["net", "other"], "points": 1, "n": 9}
    others = store.put(made_transfers.predictions(**{**usual, **other}).to_bytes())
    with pytest.raises(SourceError, match="gone, damaged or another one's; remove its line"):
        Transfer([{**last, "predictions": others}], store).rows()


@pytest.mark.parametrize("images", [Images([0] * 8), Images([0] * 9, ["a"])])
def test_names_of_other_images_are_as_good_as_gone(images):
    store = OutcomeStore()
    first, second, _ = records(store, "dwp")
    second |= {"pictures": store.put(images.to_bytes()), "read": {"images": store.put(b"1" * 72)}}
    assert Transfer([second], store).images(second) is None
    with pytest.raises(SourceError, match="image 0, image 1, image 2 and 6 more have other bytes"):
        Transfer([second, first], store).rows()
