"""The published figures are one file, and the preset and README are made from it."""

import itertools

import pytest

from network_prune.results.published.figures import (
    published_plan,
    published_rows,
    published_tables,
)
from network_prune.study.plan import make_plan
from network_prune.study.plan_file import read_preset


def test_the_tables_hold_what_was_printed():
    first, neurons, later = published_tables().values()
    assert [len(table) for table in (first, neurons, later)] == [10, 8, 6]
    assert str(first[1]) == "Loss 1.313  Acc@1 67.988  Acc@5 88.240"
    assert str(later[0]) == "Acc@1 49.99"
    assert [(row.p_prune, row.ratio) for row in neurons if row.note] == [
        (0.05, 0.05),
        (0.08, 0.08),
        (0.1, 0.1),
    ]


def test_each_network_and_setting_is_published_once():
    rows = published_rows()
    assert len(rows) == 22
    assert sum(row.is_dense for row in rows) == 2
    assert {(row.weights, row.images) for row in rows} == {("IMAGENET1K_V1", 50000)}


@pytest.mark.parametrize("name", ["loss", "acc1", "acc5"])
def test_what_is_pruned_more_is_published_as_worse(name):
    worse = 1 if name == "loss" else -1
    for rows in published_tables().values():
        found = [row for row in rows if row.p_bern == 1 and getattr(row, name) is not None]
        for one, other in itertools.pairwise(found):
            if one.network == other.network:
                assert worse * (getattr(other, name) - getattr(one, name)) >= 0


def test_the_plan_has_a_variant_for_each_pruned_row():
    plan = make_plan(published_plan())
    found = {
        (network.arch, variant.method, variant.p_prune, variant.p_bern)
        for network, variants in plan.variants.items()
        for variant in variants
    }
    assert found == {
        (row.network, row.method, row.p_prune, row.p_bern)
        for row in published_rows()
        if not row.is_dense
    }
    assert read_preset("published") == published_plan()


def test_draws_are_asked_for_where_they_differ():
    plan = make_plan(published_plan(draws=3))
    variants = [variant for found in plan.variants.values() for variant in found]
    assert len(variants) == 20 + 2 * 2
    assert plan.notes == ()
