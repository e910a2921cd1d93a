"""The layouts of published traces: which reader takes a row apart, and in which columns our names stand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mot_plugin.errors import FileError
from mot_plugin.sources.references import of_solution
from mot_plugin.strict import suggest
from mot_plugin.teachers.adapters import Read, alpaca, chat, separate
from mot_plugin.teachers.view import View

Columns = Mapping[str, tuple[str, ...]]
"""For each of our names the columns that may hold it."""

COMMON = ("reference", "teacher", "id", "finish_reason")


@dataclass(frozen=True)
class Format:
    """A layout. `takes` are names that a user may give columns for besides those of `names`.

    `by_teacher`: the columns of each, where a row holds traces of several teachers. `only`: the value that a column has,
    if it is there, in the rows that are traces. `instruction`: what the data set put before each problem. `references`:
    how the right answer is read, as `sources.formats` reads it of the same data set.
    """

    read: Callable[[View], Read]
    names: Columns
    takes: tuple[str, ...] = COMMON
    by_teacher: Mapping[str, Columns] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    instruction: str = ""
    references: Callable[[View], tuple[str, ...]] = View.references

    def columns(self, given: Mapping[str, str], teacher: str | None) -> Columns:
        """Where our names stand: as the format says, and before that as a user says. Raises FileError."""
        chosen: Columns = {}
        if self.by_teacher:
            asked = (teacher or next(iter(self.by_teacher))).casefold()
            found = next((name for name in self.by_teacher if asked.startswith(name)), None)
            if found is None:
                raise FileError(
                    f"a row has traces of {' and '.join(self.by_teacher)}, none of {teacher}: mend `teacher`"
                )
            chosen = self.by_teacher[found]
        possible = {*self.names, *chosen, *self.takes}
        for name in given:
            if name not in possible:
                words = ", ".join(sorted(possible))
                raise FileError(f"this format has no {name!r}{suggest(name, possible)}; it has {words}")
        columns = {**self.names, **chosen, **{name: (column,) for name, column in given.items()}}
        if self.read is separate:
            _complete(columns)
        return columns


def _complete(columns: Columns) -> None:
    """Raise FileError unless it is said where a problem and its trace stand, and the latter once."""
    if "problem" not in columns:
        raise FileError("say in `columns` which column holds the problem: problem: NAME")
    parts = {"reasoning", "answer"} & columns.keys()
    if "text" in columns and parts:
        raise FileError("`columns` should name text, or reasoning and answer, not both")
    if "text" not in columns and len(parts) < 2:
        raise FileError("say in `columns` where the trace stands: text: NAME, or reasoning: NAME and answer: NAME")


def _of_s1k(view: View) -> tuple[str, ...]:
    return of_solution(view.needed("problem"), view.text("reference"), view.row).references


_TURNS: Columns = {
    "messages": ("messages", "conversations"),
    "system": ("system",),
    "finish_reason": ("finish_reason",),
}

FORMATS: dict[str, Format] = {
    # any rows, by what the user says of them
    "columns": Format(separate, {}, ("problem", "text", "reasoning", "answer", *COMMON)),
    # open-r1/Mixture-of-Thoughts; LLaMA-Factory's openai and sharegpt
    "messages": Format(chat, _TURNS, ("problem", *COMMON)),
    # LLaMA-Factory's alpaca
    "alpaca": Format(
        alpaca, {name: (name,) for name in ("instruction", "input", "output", "system", "history", "finish_reason")}
    ),
    # simplescaling/s1K-1.1; its grades are claims, and ours is to judge
    "s1k-1.1": Format(
        separate,
        {"problem": ("question",), "reference": ("solution",)},
        by_teacher={
            name: {"reasoning": (f"{name}_thinking_trajectory",), "answer": (f"{name}_attempt",)}
            for name in ("deepseek", "gemini")
        },
        references=_of_s1k,
    ),
    # open-thoughts/OpenThoughts-114k, OpenThoughts2-1M, OpenThoughts3-1.2M
    "openthoughts": Format(
        chat, _TURNS, ("problem", *COMMON), instruction="Return your final response within \\boxed{}. "
    ),
    # the metadata files of OpenThoughts-114k, which have a reference
    "openthoughts-metadata": Format(
        separate,
        {
            "problem": ("problem",),
            "reasoning": ("deepseek_reasoning",),
            "answer": ("deepseek_solution",),
            "reference": ("ground_truth_solution",),
        },
    ),
    # nvidia/OpenMathReasoning; rows of "tir" call tools, those of "genselect" choose among others' answers
    "openmathreasoning": Format(
        separate,
        {
            "problem": ("problem",),
            "text": ("generated_solution",),
            "reference": ("expected_answer",),
            "teacher": ("generation_model",),
        },
        only={"inference_mode": "cot"},
    ),
    # open-r1/OpenR1-Math-220k; what it says of correctness and completeness are claims too
    "openr1": Format(
        separate,
        {
            "problem": ("problem",),
            "text": ("generations",),
            "finish_reason": ("finish_reasons",),
            "reference": ("answer",),
            "id": ("uuid",),
        },
    ),
    # a-m-team/AM-DeepSeek-R1-Distilled-1.4M, AM-Thinking-v1-Distilled
    "am-deepseek": Format(
        chat,
        {
            **_TURNS,
            "reference": ("messages.0.info.reference_answer", "conversations.0.info.reference_answer"),
        },
        ("problem", *COMMON),
    ),
}
