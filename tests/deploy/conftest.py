"""What tests of removal share."""

import pytest

from network_prune.deploy.removal import remove


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let removal fail where its first try fails, after which it would cut layers one by one."""
    settle = remove.settle

    def only_the_first(flow: remove.Flow, *, alone: bool) -> None:
        assert not alone, "the first try gave other outputs"
        settle(flow, alone=alone)

    monkeypatch.setattr(remove, "settle", only_the_first)
