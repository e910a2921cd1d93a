"""Progress: how far a training is, one JSON object per logged step, for programs."""

import json
import math
import os
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

FILE = "progress.jsonl"


class Progress(TrainerCallback):
    """Writes {step, total, loss, lr, grad_norm, tokens, seconds, eta} to `file`, `progress.jsonl` in the output_dir if not given.

    Each line is one write, so that a reader never sees half of one. A number that is not finite is null. Tokens are those
    that went in, padding not counted, of all processes: the Trainer counts them, and is told to if the settings do not.
    """

    def __init__(self, file: str | None = None) -> None:
        self.file = file
        self._began = 0.0
        self._from = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Start the clock and an empty file."""
        if args.include_num_input_tokens_seen == "no":
            args.include_num_input_tokens_seen = "non_padding"
        self._began, self._from = time.monotonic(), int(state.global_step)
        if state.is_world_process_zero:
            path = self._path(args)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **given: Any) -> None:  # noqa: ARG002
        """One line; the summary at the end of a training has no loss and is none."""
        if not state.is_world_process_zero or logs is None or "loss" not in logs:
            return
        step, seconds = int(state.global_step), time.monotonic() - self._began
        row = {
            "step": step,
            "total": int(state.max_steps),
            "loss": _number(logs["loss"]),
            "lr": _number(logs.get("learning_rate")),
            "grad_norm": _number(logs.get("grad_norm")),
            "tokens": int(state.num_input_tokens_seen) or None,
            "seconds": round(seconds, 3),
            "eta": round(seconds / max(step - self._from, 1) * (state.max_steps - step), 3),
        }
        opened = os.open(self._path(args), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(opened, (json.dumps(row) + "\n").encode())
        finally:
            os.close(opened)

    def _path(self, args: Any) -> Path:
        return Path(self.file) if self.file else Path(args.output_dir) / FILE


def _number(found: Any) -> float | None:
    return float(found) if found is not None and math.isfinite(float(found)) else None
