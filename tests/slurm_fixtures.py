"""Fixtures with a real Slurm, started once for all tests of a process."""

from collections.abc import Iterator

import pytest
import slurm_cluster
from slurm_cluster import Cluster


@pytest.fixture(scope="session")
def slurm_session() -> Iterator[Cluster]:
    """A Slurm of two nodes with two GPUs each."""
    absent = slurm_cluster.missing()
    if absent:
        pytest.skip(f"no Slurm can be started here: {absent}")
    with slurm_cluster.running() as cluster:
        yield cluster


@pytest.fixture
def slurm(slurm_session: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The same for one test, which leaves no job behind."""
    monkeypatch.setenv("SLURM_CONF", slurm_session.environment["SLURM_CONF"])
    yield slurm_session
    slurm_session.clear()
