"""The executors by the name that a machine file calls them: the one place to add another."""

from collections.abc import Mapping

from mot_plugin.executors import serial, slurm
from mot_plugin.executors.work import Executor

EXECUTORS: Mapping[str, Executor] = {"serial": serial.run, "slurm": slurm.run}
