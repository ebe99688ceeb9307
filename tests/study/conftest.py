import pytest

from network_prune.study.sweep import sweep
from tests.study.small_grid import GRID


@pytest.fixture(scope="package")
def undisturbed(tmp_path_factory):
    """Return the records of the grid, by key."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return {record["key"]: record for record in sweep(GRID, out=folder)}
