"""LLaMA-Factory's training with our callbacks in one of torchrun's processes, with FSDP for GPUs at work on processors."""

import sys
from typing import Any

from accelerate import state
from llamafactory.train.tuner import run_exp
from transformers import TrainerCallback

from mot_plugin.training.launch import train
from mot_plugin.training.options import Options

begin = state.PartialState.__init__


def begin_as_on_gpus(self: Any, *arguments: Any, **named: Any) -> None:
    begin(self, *arguments, **named)
    if self.distributed_type == state.DistributedType.MULTI_CPU:
        self.distributed_type = state.DistributedType.MULTI_GPU


class Say(TrainerCallback):
    """How much of its first weight a process holds."""

    def on_step_end(self, args: Any, run: Any, control: Any, model: Any = None, **more: Any) -> None:
        weight = next(model.parameters())
        held = getattr(weight, "_local_tensor", weight)
        print(f"{type(model).__name__} holds {held.shape[0]} of {weight.shape[0]} rows", flush=True)


if __name__ == "__main__":
    state.PartialState.__init__ = begin_as_on_gpus
    sys.argv.append(Options(probe=("columns",)).word)
    train(lambda settings, callbacks: run_exp(settings, callbacks=[*callbacks, Say()]))
