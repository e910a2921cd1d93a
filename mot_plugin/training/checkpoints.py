"""FullCheckpoints: what a training that may be killed can go on from, optimizer included, and nothing more than that."""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from mot_plugin import checkpoints


class FullCheckpoints(TrainerCallback):
    """Saves weights, optimizer, schedule and random numbers every `every` optimizer steps, but not after the last one.

    Only the newest of them stays whole; of those before it, the weights stay where the settings asked for them (`save_steps`).
    All that a training saves for `save_steps` alone is weights only, and nothing is deleted for `save_total_limit`.
    """

    def __init__(self, every: int) -> None:
        if every < 1:
            raise ValueError(f"FullCheckpoints needs every >= 1, got {every}")
        self.every = every

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """The Trainer's own limit counts ours among those that were asked for."""
        args.save_total_limit = None

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Ask for one where it is time; the Trainer's own saves have been asked for by now."""
        due = state.global_step % self.every == 0 and state.global_step < state.max_steps
        args.save_only_model = not due
        control.should_save = control.should_save or due

    def on_save(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002
        """Mark it once every process has written its part, then delete what it replaces."""
        args.distributed_state.wait_for_everyone()
        if not state.is_world_process_zero:
            return
        room, steps = Path(args.output_dir), int(state.global_step)
        checkpoints.Checkpoint(room / f"checkpoint-{steps}", steps).mark(state=not args.save_only_model)
        asked = args.save_strategy == "steps"
        checkpoints.prune(room, range(args.save_steps, state.max_steps + 1, args.save_steps) if asked else ())
