"""Whether a teacher's sample can be a training target, and whether its answer is right (paper, sec. 3.1 and 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mot_plugin.answers import last_boxed, split_thinking, verifiable
from mot_plugin.teachers.traces import CHAT_TOKEN, THINK_TAG, Prompt, Sample
from mot_plugin.teachers.verify import Outcome, Verifier

CORRECT, UNVERIFIED = "correct", "unverified"
ACCEPTABLE = (CORRECT, UNVERIFIED)


@dataclass(frozen=True)
class Rejected:
    """Why a sample cannot be a training target, whatever its answer: one of the words in `normalise`."""

    reason: str


def normalise(sample: Sample) -> str | Rejected:
    """The sample as Qwen3's own template writes the last assistant turn: one closed thought, an empty line, the answer.

    Rejected as `truncated` (ran into its token limit), `not_stopped` (ended by anything else than a stop), `unfinished`
    (no closed thought), `nested_tags` (a think tag inside a part: several thoughts), `special_token` (a chat token, which
    would be learned as one), `empty_reasoning` or `empty_answer`. A sample without a recorded finish reason counts as
    stopped if its thought is closed; an unusable one is rejected by its own word. The text inside the two parts is left as it is.
    """
    if sample.unusable is not None:
        return Rejected(sample.unusable)
    if sample.finish_reason not in ("stop", None):
        return Rejected("truncated" if sample.finish_reason == "length" else "not_stopped")
    thought = split_thinking(sample.text)
    if not thought.closed or thought.reasoning is None:
        return Rejected("unfinished")
    reasoning, answer = thought.reasoning.strip("\n"), thought.answer.lstrip("\n").rstrip()
    defects = {
        "nested_tags": THINK_TAG.search(reasoning) or THINK_TAG.search(answer),
        "special_token": CHAT_TOKEN.search(sample.text),
        "empty_reasoning": not reasoning.strip(),
        "empty_answer": not answer.strip(),
    }
    for reason, present in defects.items():
        if present:
            return Rejected(reason)
    return f"<think>\n{reasoning}\n</think>\n\n{answer}"


@dataclass(frozen=True)
class Judge:
    """Says of samples whether they may be trained on. `none` believes every well-formed one and never asks the verifier.

    A verdict is `correct`, `wrong`, `no_answer` (nothing boxed after the thought), `unverifiable` (no reference, or none
    that an answer can be checked against), `verifier_timeout`, `verifier_failed`, a reason of `normalise`, or `unverified`
    where nothing is checked (paper, sec. 3.1: "when y is available"). Those in ACCEPTABLE may be trained on.
    """

    verify: Literal["answers", "none"]
    verifier: Verifier

    def checks(self, references: Sequence[str]) -> bool:
        """Whether answers to a prompt with these references can be called right or wrong."""
        return self.verify == "answers" and any(verifiable(reference) for reference in references)

    def verdict(self, sample: Sample, references: Sequence[str]) -> str:
        """The verdict on one sample."""
        boxed = self._boxed(sample, references)
        return boxed if isinstance(boxed, str) else _VERDICT[self.verifier.compare(boxed.answer, references)]

    async def verdict_async(self, sample: Sample, references: Sequence[str]) -> str:
        """The verdict on one sample, while the event loop goes on."""
        boxed = self._boxed(sample, references)
        if isinstance(boxed, str):
            return boxed
        return _VERDICT[await self.verifier.compare_async(boxed.answer, references)]

    def verdicts(self, prompt: Prompt) -> tuple[str, ...]:
        """One verdict per sample of a prompt."""
        return self.verdicts_of([prompt])[0]

    def verdicts_of(self, prompts: Sequence[Prompt]) -> list[tuple[str, ...]]:
        """One verdict per sample of each prompt; all comparisons run at once."""
        boxed = [[self._boxed(sample, prompt.references) for sample in prompt.samples] for prompt in prompts]
        asked = [
            (one.answer, prompt.references)
            for prompt, row in zip(prompts, boxed, strict=True)
            for one in row
            if not isinstance(one, str)
        ]
        said = iter(self.verifier.compare_many(asked))
        return [tuple(one if isinstance(one, str) else _VERDICT[next(said)] for one in row) for row in boxed]

    def _boxed(self, sample: Sample, references: Sequence[str]) -> "str | _Boxed":
        """What is to be compared, or the verdict where nothing is."""
        target = normalise(sample)
        if isinstance(target, Rejected):
            return target.reason
        if self.verify == "none":
            return UNVERIFIED
        if not self.checks(references):
            return "unverifiable"
        answer = last_boxed(split_thinking(target).answer)
        return "no_answer" if answer is None else _Boxed(answer)


@dataclass(frozen=True)
class _Boxed:
    answer: str


_VERDICT: dict[Outcome, str] = {
    "same": CORRECT,
    "different": "wrong",
    "unverifiable": "unverifiable",
    "timeout": "verifier_timeout",
    "verifier_failed": "verifier_failed",
}
