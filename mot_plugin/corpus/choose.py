"""Which of a teacher's samples becomes the training label of a prompt (paper, sec. 4.1).

One correct sample, drawn at random; a prompt without a correct sample is left out for that teacher.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mot_plugin.answers import last_boxed, same_answer, split_thinking
from mot_plugin.corpus.chance import shuffled
from mot_plugin.corpus.traces import CHAT_TOKEN, THINK_TAG, Prompt, Sample

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
    stopped if its thought is closed. The text inside the two parts is left as it is.
    """
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


def judge(prompt: Prompt) -> tuple[str, ...]:
    """One verdict per sample: `correct`, `wrong`, `no_answer` (nothing boxed) or a reason of `normalise`.

    Without a reference every well-formed sample is `unverified` (paper, sec. 3.1: "when y is available").
    """
    return tuple(_verdict(sample, prompt.reference) for sample in prompt.samples)


def choose(prompt: Prompt, verdicts: Sequence[str], seed: int, teacher: str) -> int | None:
    """Index of one acceptable sample, each as likely as the others; None if there is none."""
    return next(iter(preferences(prompt, verdicts, seed, teacher)), None)


def preferences(prompt: Prompt, verdicts: Sequence[str], seed: int, teacher: str) -> tuple[int, ...]:
    """Indices of all acceptable samples in random order: the first is the choice, the others stand in for it in turn.

    The order depends on seed, teacher and prompt id alone, so neither a file's order nor other prompts change a choice.
    """
    acceptable = [index for index, verdict in enumerate(verdicts) if verdict in ACCEPTABLE]
    return tuple(acceptable[place] for place in shuffled(len(acceptable), seed, teacher, prompt.id))


def _verdict(sample: Sample, reference: str | None) -> str:
    target = normalise(sample)
    if isinstance(target, Rejected):
        return target.reason
    if reference is None:
        return UNVERIFIED
    answer = last_boxed(split_thinking(target).answer)
    if answer is None:
        return "no_answer"
    return CORRECT if same_answer(answer, reference) else "wrong"
