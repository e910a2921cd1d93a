"""How fast a place works: the constants of the cost model, each with its unit. docs/costs.md says where every default is from.

A machine file overrides them under `costs:`; `mot-plugin calibrate RUN` fits them to finished steps and writes that block.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float | int, Field(gt=0)]
Share = Annotated[float | int, Field(gt=0, le=1)]
NotNegative = Annotated[float | int, Field(ge=0)]

STARTUP: dict[str, float] = {
    "student": 60.0,
    "traces": 300.0,
    "train": 120.0,
    "merge": 30.0,
    "mix": 30.0,
    "probe-loss": 120.0,
    "evaluate": 180.0,
    "*": 10.0,
}
"""Seconds of a step before and after its work proper, by kind."""


class Rates(BaseModel):
    """Constants of the cost model. What a finished run has shown comes before any of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    peak_tflops: Positive = 989.0
    """TFLOP/s of one GPU in dense bfloat16: 989 of an H100, H200 or H800 SXM, 312 of an A100 (NVIDIA's data sheets)."""
    mfu: Share = 0.35
    """Share of that peak that a training reaches, its recomputed activations counted as work, on one node."""
    moe_efficiency: Share = 0.5
    """What is left of a rate for a mixture of experts, of whose weights only the active ones are counted as work."""
    width_loss: Annotated[float | int, Field(ge=0, lt=1)] = 0.08
    """Share of a training's speed that every doubling of its GPUs beyond 8 costs."""
    processor_tflops: Positive = 0.02
    """TFLOP/s that a training reaches where there is no GPU."""
    generation_rate: Positive = 20_000.0
    """Tokens/s that one GPU answers with at full load, for each billion of active parameters in reverse: 8 billion give an
    eighth of it."""
    processor_generation_rate: Positive = 20.0
    """The same where there is no GPU."""
    stream_rate: Positive = 60.0
    """Tokens/s of a single answer: the longest one takes so long, however many GPUs there are."""
    merge_rate: Positive = 500.0
    """MB/s that a merge reads and writes, all its passes over the weights counted."""
    startup_seconds: dict[str, NotNegative] = {}
    """Seconds of a step beside its work, by kind; those of a kind that is not named are the defaults."""
    row_share: Share = 0.4
    """Mean tokens of a training row, as a share of `sft.cutoff_len`, as long as there is no corpus."""
    trace_share: Share = 0.35
    """Mean tokens of a teacher's sample, as a share of `sampling.max_tokens`, as long as there are no samples."""
    draws: Positive = 1.6
    """Samples of a problem until one is correct (`mode: until_correct`), as long as there are no samples."""
    problems: Positive = 200
    """Problems of a source whose recipe does not say how many, as long as they are not counted."""
    answer_tokens: dict[str, Positive] = {}
    """Mean tokens of an answer by task; those of a task that is not named are in docs/costs.md."""

    def startup(self, kind: str) -> float:
        """Seconds beside the work of a step of this kind."""
        given = self.startup_seconds.get(kind)
        return float(given if given is not None else STARTUP.get(kind, self.startup_seconds.get("*", STARTUP["*"])))
