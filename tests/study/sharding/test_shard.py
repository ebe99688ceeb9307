"""Which shard a process is, by what is said and by its environment."""

import pytest

from network_prune.errors import ArgumentError
from network_prune.study.sharding.shard import Shard


@pytest.mark.parametrize(
    "text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/4/2", "", "1/1000000"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ArgumentError, match=r"is no shard; pass I/N") as raised:
        Shard.here(text, {})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "environment", "expected", "group"),
    [
        (None, {}, "1/1", range(1, 2)),
        ("2/7", {}, "2/7", range(2, 3)),
        (None, {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}, "4/8", range(4, 5)),
        (
            None,
            {
                "SLURM_ARRAY_TASK_ID": "30",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "10",
            },
            "3/3",
            range(3, 4),
        ),
        (None, {"RANK": "1", "WORLD_SIZE": "2"}, "2/2", range(1, 3)),
        ("2/3", {"RANK": "1", "WORLD_SIZE": "2"}, "4/6", range(3, 5)),
        ("1/1", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "8"}, "1/1", range(1, 2)),
        (
            None,
            {
                "SLURM_ARRAY_TASK_ID": "1",
                "SLURM_ARRAY_TASK_COUNT": "2",
                "RANK": "0",
                "WORLD_SIZE": "4",
            },
            "5/8",
            range(5, 9),
        ),
    ],
)
def test_what_is_said_or_the_environment_says_which_it_is(said, environment, expected, group):
    shard = Shard.here(said, environment)
    assert (str(shard), shard.group) == (expected, group)
    assert shard.is_first_of_group is (shard.number == group.start)


def test_a_variable_that_is_no_number_is_refused():
    with pytest.raises(ArgumentError, match="WORLD_SIZE='many', which is no whole number"):
        Shard.here(None, {"WORLD_SIZE": "many"})
