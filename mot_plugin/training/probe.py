"""ProbeLoss: the model's loss on fixed corpora, every n optimizer steps, beside the training loss (docs/training.md)."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from mot_plugin.errors import FileError
from mot_plugin.report.losses import PROBE
from mot_plugin.training import loss

if TYPE_CHECKING:
    from mot_plugin.training.encoding import Settings


class Measured(Exception):
    """Not an error: the model was measured, and nothing was to be trained."""


class ProbeLoss(TrainerCallback):
    """Evaluates `corpora` (files, corpus folders, or names in `dataset_dir`) at step 0, every `every` steps and at the end.

    Writes rows {step, loss, tokens, corpus} to `probe_loss.jsonl` in the output_dir: the mean over the tokens of the
    assistant turns, encoded by LLaMA-Factory as for training. The rows are shared out among the processes of a training.
    Weights, random numbers and the mode of the model are as if it had not been there.

    `settings` are those of `run_exp(settings, callbacks=[...])`; None, as there, for this process's command line.
    """

    def __init__(self, *corpora: str, every: int = 10, settings: "Settings" = None, only: bool = False) -> None:
        if every < 1 or not corpora:
            raise ValueError(f"ProbeLoss needs a corpus and every >= 1, got {corpora} and {every}")
        self.corpora, self.every, self.settings, self.only = corpora, every, settings, only
        self._rows: dict[str, list[loss.Row]] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Encode, and measure the model that the training starts from."""
        from mot_plugin.training.encoding import encode

        with loss.undisturbed(given["model"], args.device):
            self._rows = dict(encode(name, self.settings, given["processing_class"], args) for name in self.corpora)
        if len(self._rows) < len(self.corpora):
            raise FileError(
                f"probe corpora {', '.join(self.corpora)}: two of them have the same name in their dataset_info.json"
            )
        if state.is_world_process_zero:
            _begin(Path(args.output_dir) / PROBE, int(state.global_step))
        self._measure(args, state, given)
        if self.only:
            raise Measured

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Measure where it is time."""
        if state.global_step % self.every == 0 or state.global_step >= state.max_steps:
            self._measure(args, state, given)

    def _measure(self, args: Any, state: Any, given: Any) -> None:
        model, collate = given["model"], given["train_dataloader"].collate_fn
        for name, rows in self._rows.items():
            with loss.undisturbed(model, args.device):
                sums = loss.of_rows(model, rows, collate, args.device, args.process_index, args.world_size)
            count = sum(loss.tokens(row) for row in rows)
            mean = math.fsum(sums) / count if all(map(math.isfinite, sums)) else None
            if state.is_world_process_zero:
                row = {"step": int(state.global_step), "loss": mean, "tokens": count, "corpus": name}
                with (Path(args.output_dir) / PROBE).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


def _begin(file: Path, done: int) -> None:
    """A new training starts an empty file; one that goes on keeps the rows before the step from which it does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = []
    if done and file.is_file():
        kept = [line for line in file.read_text(encoding="utf-8").splitlines() if _before(line, done)]
    file.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _before(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] < step)
    except ValueError:  # what was killed had written half of it
        return False
