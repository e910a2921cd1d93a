"""`llamafactory-cli train` with our callbacks: its own launcher decides about torchrun, and starts our script in each process."""

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mot_plugin.errors import FileError, MotError
from mot_plugin.training.options import Options

SCRIPT = Path(__file__).with_name("process.py")


def launch(options: Options, arguments: Sequence[str]) -> None:
    """Train as `llamafactory-cli train ARGUMENTS` would, in this process or below torchrun. Raises MotError."""
    from llamafactory import launcher
    from llamafactory.extras.misc import is_env_enabled
    from llamafactory.train import tuner

    if is_env_enabled("USE_V1"):
        raise FileError("USE_V1 chooses LLaMA-Factory's other trainer, which takes no callbacks: unset it")
    # The launcher looks for torchrun on PATH, where this environment may not be.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    sys.argv = ["llamafactory-cli", "train", *arguments, options.word]
    launcher.__file__ = str(SCRIPT)  # what it hands to torchrun
    tuner.run_exp = functools.partial(train, tuner.run_exp)  # what it calls where it needs no torchrun
    try:
        launcher.launch()
    except subprocess.CalledProcessError as error:
        raise MotError(f"torchrun exited with {error.returncode}: the words of its processes are above") from None


def train(run_exp: Callable[..., None]) -> None:
    """One process's training: LLaMA-Factory's arguments and, last, our options are this process's command line."""
    from llamafactory.hparams.parser import read_args

    options = Options.of(sys.argv.pop())
    settings = read_args()
    if settings.get("deepspeed") and settings.get("use_cpu") and "RANK" in os.environ:
        _join()
    if options.only:
        measure(run_exp, options, settings)
    else:
        run_exp(settings, callbacks=_callbacks(options, settings))


def measure(run_exp: Callable[..., None], options: Options, settings: Any) -> None:
    """Only the probe loss of the model that a training would start from; nothing is trained, nothing saved."""
    from torch import distributed

    from mot_plugin.training.probe import Measured, ProbeLoss

    with suppress(Measured):
        run_exp(settings, callbacks=[ProbeLoss(*options.probe, settings=settings, only=True)])
    # As run_exp does at its end. Not while the exception still holds the model: that hangs.
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _join() -> None:
    """Let DeepSpeed's processes on processors find each other, before ZeRO-3 asks how many there are.

    accelerate does it for GPUs only: without it, every process takes itself for the only one, and the batch for a wrong one.
    """
    import deepspeed

    deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)


def _callbacks(options: Options, settings: Any) -> list[Any]:
    from mot_plugin.training import FullCheckpoints, ProbeLoss, Progress, StopOnNonFinite

    probes = [ProbeLoss(*options.probe, every=options.every, settings=settings)] if options.probe else []
    full = [FullCheckpoints(options.checkpoint_every)] if options.checkpoint_every else []
    return [StopOnNonFinite(), Progress(options.progress), *probes, *full]
