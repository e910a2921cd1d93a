"""Context lengths: rows against the student, answers against the engine, traces against the teacher."""

from collections.abc import Iterator, Mapping
from typing import Any

from mot_plugin.doctor.context import Context, read_config
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.errors import FileError
from mot_plugin.evals import catalogue
from mot_plugin.recipe import Recipe
from mot_plugin.tools import lm_eval

PROMPT = 1024
"""Tokens that a problem and its chat template may well have; of a short context at most half."""
_STRETCHED = ("yarn", "linear", "dynamic")
"""Kinds of positions that reach `factor` times as far as the model was made for; others say the length that they reach."""


def check(context: Context) -> Iterator[Finding]:
    """Nothing may be longer than what reads or writes it."""
    if context.ready is None or context.recipe is None:
        return
    limit = context_length(context.config or {})
    if "train" in context.kinds or "corpus" in context.kinds:
        stretched = "rope_scaling" in context.recipe.sft  # LLaMA-Factory stretches the positions itself
        yield _rows(int(context.recipe.sft["cutoff_len"]), None if stretched else limit)
    if "evaluate" in context.kinds:
        yield _answers(context, limit)
    for name in context.recipe.teachers if "traces" in context.kinds else ():
        yield from _traces(context, context.recipe, name)


def context_length(config: Mapping[str, Any]) -> int | None:
    """Tokens that a model was made for, as an engine reads its config.json; None where that does not say."""
    length = config.get("max_position_embeddings")
    scaling = config.get("rope_scaling") or config.get("rope_parameters") or {}
    kind, factor = scaling.get("rope_type", scaling.get("type")), scaling.get("factor")
    if not isinstance(length, int):
        return None
    if kind in _STRETCHED and isinstance(factor, int | float):
        return round(int(scaling.get("original_max_position_embeddings", length)) * factor)
    return length


def _rows(cutoff: int, limit: int | None) -> Finding:
    if limit is None:
        return unknown("sft.cutoff_len", f"{cutoff:,} tokens; the student's context is not known here")
    if cutoff > limit:
        said = f"{cutoff:,} tokens, and the student's context is {limit:,} (max_position_embeddings)"
        return error("sft.cutoff_len", said, f"write `cutoff_len: {limit}` or less in the recipe", FileError)
    return ok("sft.cutoff_len", f"{cutoff:,} of the student's {limit:,} tokens")


def _answers(context: Context, limit: int | None) -> Finding:
    """The engine's length must hold a prompt and max_gen_toks: lm-eval would cut the prompt's beginning, or stop."""
    assert context.ready is not None
    what, place = "max_model_len of evaluations", context.machine.eval
    tasks = sorted({task for suite in context.ready.gathered.suites.values() for task in suite.tasks})
    longest, task = max((lm_eval.answer_tokens(task, catalogue.files()), task) for task in tasks)
    said = place.model_args.get("max_model_len", place.model_args.get("max_length"))
    given = said if isinstance(said, int) else None
    if given is not None and limit is not None and given > limit:
        wrong = f"{given:,}, and the student's context is {limit:,}: the engine refuses it"
        return error(what, wrong, f"write `max_model_len: {limit}` or less under eval.model_args", FileError)
    length, whose = (given, "max_model_len") if given is not None else (limit, "the student's context")
    if length is None:
        return unknown(
            what, f"{task} asks up to {longest:,} tokens; the student's config.json, with its context, is not here"
        )
    if length <= longest:
        wrong = f"{task} asks up to {longest:,} tokens, and {whose} is {length:,}: no room for a prompt"
        raise_it = f"write `max_model_len: {longest + PROMPT}` or more under eval.model_args of the machine file"
        remedy = (
            raise_it if given is not None else "take a student with a longer context, or tasks with shorter answers"
        )
        return error(what, wrong, remedy, FileError)
    if length < longest + min(PROMPT, length // 2):
        thin = f"{length:,} leaves {length - longest:,} tokens for the prompts of {task}: longer ones would be cut"
        return warning(what, thin, f"write `max_model_len: {longest + PROMPT}` or more under eval.model_args")
    return ok(what, f"{length:,} holds the {longest:,} that {task} may write, and a prompt of {length - longest:,}")


def _traces(context: Context, recipe: Recipe, name: str) -> Iterator[Finding]:
    """Of a teacher that is served here; an endpoint's length is its owner's business, and not told by /models."""
    teacher, flags = recipe.teachers[name], context.machine.teacher(name).serve
    if not teacher.live or flags is None:
        return
    what, wanted = f"max_tokens of {name}", recipe.sampling_of(name).max_tokens
    said = flags.get("max_model_len")
    if not isinstance(said, int):
        folder = context.teacher_folder(name)
        said = context_length((read_config(folder) if folder else None) or {})
    if not isinstance(said, int):
        yield unknown(
            what, f"{wanted:,} of an unknown context: its config.json is not here, and no max_model_len is given"
        )
    elif said < wanted + PROMPT:
        wrong = f"{wanted:,} tokens of a trace and {PROMPT:,} of a prompt are more than its server's {said:,}"
        key = f"teachers.{name}.serve in the machine file"
        yield error(
            what, wrong, f"write `max_model_len: {wanted + PROMPT}` under {key}, or a smaller max_tokens", FileError
        )
    else:
        yield ok(what, f"{wanted:,} of {said:,}")
