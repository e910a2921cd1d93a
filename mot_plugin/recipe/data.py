"""Where training rows come from: problems, teachers, and what becomes of traces."""

from typing import Literal, Self

from pydantic import model_validator

from mot_plugin.recipe.part import Part, Slug, Steps
from mot_plugin.teachers.asking import Sampling


class Source(Part):
    """The problems that teachers are asked (paper, section 4.1). Only a name where all traces are recorded ones."""

    name: str = ""
    """As tables print it; the recipe's own name if empty."""
    file: str | None = None
    """JSONL, JSON, CSV or parquet, or a folder of them, relative to the recipe; with `hub`, the path in that data set."""
    hub: str | None = None
    """A data set on the hub, `org/name@revision`."""
    format: str = "columns"
    """How a row is read: boba, s1k, or columns with a mapping of your own."""
    columns: dict[str, str] = {}
    sample: Steps | None = None
    """So many problems, drawn by the seed whatever the order of the rows; all of them if not given."""
    seed: int | None = None
    """The recipe's own if not given."""
    deduplicate: bool = True
    decontaminate: list[Slug] | None = None
    """Tasks whose problems must not be among them; those of `eval` if not given, `[]` for none."""
    license: str | None = None


class Teacher(Part):
    """One teacher: recorded traces, a model that is asked, or the student of a run."""

    traces: str | None = None
    """Recorded answers; a relative path starts at the recipe's folder."""
    format: str = "mot"
    """How the traces are written: mot is ours, one prompt per line; others are listed in docs/corpora.md."""
    columns: dict[str, str] = {}
    named: str | None = None
    """What the traces call this teacher, where they hold several."""
    model: str | None = None
    """Hub id with its revision (`org/name@revision`), a vendor's name, or a folder (`./path`).
    The machine file says where it answers."""
    run: str | None = None
    """A run folder, relative to the recipe, whose student teaches."""
    student: Literal["base", "STD", "MTD", "MoT"] = "MoT"
    """Which student of that run; of several STD ones the best."""
    sampling: Sampling | None = None
    """Other than the recipe's own."""
    prompt: str | None = None
    """What this teacher is asked, where it needs other words than the student will be trained on: `{problem}` is replaced."""
    license: str | None = None
    """Of the traces, for the data card."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("traces", "model", "run") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of traces, model and run, has {' and '.join(given) or 'none'}")
        return self

    @property
    def local(self) -> bool:
        """Whether the model is a folder."""
        return self.model is not None and self.model.startswith((".", "/", "~"))

    @property
    def live(self) -> bool:
        """Whether it is asked, and not read."""
        return self.traces is None


class Corpus(Part):
    """How traces become training rows (paper, section 4.1)."""

    overlong: Literal["resample", "drop", "truncate"] = "resample"
    """A chosen trace longer than `sft.cutoff_len`: choose another correct one, else drop the prompt; or drop at once;
    or let LLaMA-Factory cut its end."""
    verify: Literal["answers", "none"] = "answers"
    """answers: a trace is kept if its final answer is the reference. none: if it is well-formed, for sources without references."""
    batching: Literal["exact", "trainer"] = "exact"
    """exact: every optimizer step sees exactly `global_batch_size` rows, in an order of ours.
    trainer: the Trainer's own epochs, each with a short last step."""
