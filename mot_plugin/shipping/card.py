"""The model card of a shipped student: README.md as the hub reads it. The same run has the same card."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mot_plugin.corpus.card import license_of
from mot_plugin.corpus.card_rows import citation
from mot_plugin.report import rounding
from mot_plugin.shipping import card_origin, card_scores, card_use
from mot_plugin.shipping.student import Student

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

FILE = "README.md"
TAGS = ["merge-of-thought", "distillation", "reasoning", "chain-of-thought", "mot-plugin", "llama-factory"]

_SECTIONS: dict[str, Callable[[Student], list[str]]] = {
    "Scores": card_scores.table,
    "How it was chosen": card_scores.chosen,
    "How it was made": card_origin.method,
    "Data": card_origin.data,
    "How to use it": card_use.loading,
    "Limits": card_use.limits,
    "Licences": card_origin.licences,
    "To make it again": card_use.again,
    "Citation": lambda _: citation(),
}


def render(student: Student) -> "ModelCard":
    """The whole card, read back by the hub's own library. Raises ValueError where that refuses its metadata."""
    from huggingface_hub import ModelCard

    parts = ["---", _metadata(student).to_yaml(), "---", "", f"# {student.name}", "", *card_origin.opening(student)]
    for title, section in _SECTIONS.items():
        parts += ["", f"## {title}", "", *section(student)]
    card = ModelCard("\n".join(parts) + "\n")
    if card.data.to_yaml() != _metadata(student).to_yaml():
        raise ValueError("the card's metadata does not survive being written")
    return card


def _metadata(student: Student) -> Any:
    from huggingface_hub import ModelCardData

    hub = student.recipe.source.hub
    base = student.hub_base
    known: dict[str, Any] = license_of([student.recipe.student_license])
    relation: dict[str, Any] = {"base_model_relation": "merge" if student.merged else "finetune"} if base else {}
    languages = list(dict.fromkeys(code for one in student.corpora.values() for code in one.languages))
    return ModelCardData(
        base_model=base,
        **relation,
        library_name="transformers",
        pipeline_tag="text-generation",
        **known,
        datasets=[hub.partition("@")[0]] if hub else None,
        language=languages or None,
        tags=[*TAGS, *(["merge", "mergekit"] if student.merged else [])],
        model_name=student.name if _results(student) else None,
        eval_results=_results(student) or None,
    )


def _results(student: Student) -> "list[EvalResult]":
    from huggingface_hub import EvalResult

    found = []
    for purpose, checkpoint in (("main", student.checkpoint), ("general", card_scores.general_of(student))):
        scores = student.of(checkpoint, purpose) if checkpoint else {}  # type: ignore[arg-type]
        for task, score in scores.items():
            about = student.benchmarks.get(task, {})
            sizes = {"problems": score.problems, "answers_per_problem": score.repeats}
            error = {} if score.stderr is None else {"standard_error": float(rounding.percent(score.stderr))}
            found.append(
                EvalResult(
                    task_type="text-generation",
                    task_name="Text Generation",
                    dataset_type=about.get("dataset", task),
                    dataset_name=card_scores.title(task),
                    dataset_revision=about.get("revision"),
                    metric_type=score.metric,
                    metric_name=f"percent, mean of {score.repeats} answers to each of {score.problems} problems",
                    metric_value=float(rounding.percent(score.value)),
                    metric_args=sizes | error,
                )
            )
    return found
