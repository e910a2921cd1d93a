"""StopOnNonFinite: end a training at its first NaN or Inf. LLaMA-Factory trains on, saves the weights and exits 0."""

import math
from typing import Any

import torch
from transformers import TrainerCallback

from mot_plugin.errors import CheckFailed

ADVICE = "Lower the learning rate, or look for a broken row in the corpus or NaN in the weights it started from."


def _whole(norm: torch.Tensor) -> torch.Tensor:
    """The norm of a gradient; of one that lies in pieces (FSDP), what all processes have of it together."""
    return norm.full_tensor() if hasattr(norm, "full_tensor") else norm


class StopOnNonFinite(TrainerCallback):
    """Raises CheckFailed, naming the step, before an update from gradients that are not finite is made.

    Where the gradients are out of sight (DeepSpeed), and for the loss itself, it goes by what is logged, so set
    `logging_steps: 1`. Under fp16 gradients may overflow, the Trainer skips those steps, and only the loss counts.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Let a NaN loss be logged as NaN: by default the Trainer logs 0 in its place."""
        args.logging_nan_inf_filter = False

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Look at the gradients of this step."""
        if args.fp16:
            return
        named = [(name, p.grad) for name, p in given["model"].named_parameters() if p.grad is not None]
        if not named:
            return
        norms = torch.stack([_whole(torch.linalg.vector_norm(grad, dtype=torch.float32)) for _, grad in named])
        broken = (~torch.isfinite(norms)).nonzero().flatten().tolist()
        if broken:
            some = f" in {len(broken)} of {len(named)} tensors, first in {named[broken[0]][0]}"
            where = "" if len(broken) == len(named) else some  # clipping spreads it to all
            raise CheckFailed(
                f"step {state.global_step + 1} of {state.max_steps}: the gradient is not finite{where}; "
                f"this update was not made and nothing is saved. {ADVICE}"
            )

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **given: Any) -> None:  # noqa: ARG002
        """Look at the loss and the norm that are logged."""
        for name in ("loss",) if args.fp16 else ("loss", "grad_norm"):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(float(value)):
                raise CheckFailed(
                    f"step {state.global_step} of {state.max_steps}: {name} is not finite ({value}); training stopped and "
                    f"nothing is saved. {ADVICE}"
                )
