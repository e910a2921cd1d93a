"""Engines for the tests of executors."""

from slurm_fixtures import slurm, slurm_session

__all__ = ["slurm", "slurm_session"]
