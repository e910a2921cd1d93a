"""Try a prompt on a served teacher: how many samples are well formed, how many are right, how fast they come.

    python benchmarks/teacher/trial.py URL PROBLEMS.jsonl [--prompt FILE] [--problems 12] [--skip 0] [--seeds 0 1 2 3]
                                       [--concurrent 8] [--max-tokens 400] [--seconds 180] [--out TRACES.jsonl]

PROBLEMS.jsonl is GSM8K's: `question`, and an `answer` that ends in `#### NUMBER`. `--skip` leaves the first drawn
problems out, so that a prompt is not measured on the problems it was chosen with. Samples are well formed if a run
would take them and something is boxed after the thought.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from mot_plugin.answers import final_answer, same_answer
from mot_plugin.chance import shuffled
from mot_plugin.teachers.traces import Prompt, Sample
from mot_plugin.teachers.verdicts import CORRECT, Rejected, normalise

WELL_FORMED = (CORRECT, "wrong")
PROMPT = Path(__file__).with_name("prompt.txt")


class Answer(NamedTuple):
    """One sample, and the tokens that the server counted for it."""

    sample: Sample
    tokens: int


def drawn(file: Path, count: int, skip: int) -> list[Prompt]:
    """`count` problems without samples, after the first `skip` of an order that the file's length alone decides."""
    rows = [json.loads(line) for line in file.read_text().split("\n") if line]
    order = shuffled(len(rows), "teacher trial")[skip : skip + count]
    return [
        Prompt(str(at), rows[at]["question"], (rows[at]["answer"].rpartition("####")[2].strip(),), ()) for at in order
    ]


async def sampled(url: str, template: str, prompts: list[Prompt], chosen: argparse.Namespace) -> list[list[Answer]]:
    """What came for each prompt within `--seconds`; `--concurrent` requests at a time, one sample each."""
    client, free = AsyncOpenAI(base_url=url, api_key="none", timeout=600), asyncio.Semaphore(chosen.concurrent)

    async def one(problem: str, seed: int) -> Answer:
        turn: ChatCompletionUserMessageParam = {"role": "user", "content": template.replace("{problem}", problem)}
        async with free:
            answered = await client.chat.completions.create(
                model="teacher", messages=[turn], temperature=0.6, top_p=0.95, seed=seed, max_tokens=chosen.max_tokens
            )
        choice, usage = answered.choices[0], answered.usage
        return Answer(
            Sample(choice.message.content or "", choice.finish_reason), usage.completion_tokens if usage else 0
        )

    tasks = [asyncio.create_task(one(prompt.problem, seed)) for prompt in prompts for seed in chosen.seeds]
    _, late = await asyncio.wait(tasks, timeout=chosen.seconds)
    for task in late:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)  # closes connections, so that the server stops too
    failures = Counter(str(end) for end in ended if isinstance(end, Exception))
    for message, count in failures.items():
        print(f"{count} requests to {url} failed: {message}", file=sys.stderr)
    of_each = len(chosen.seeds)
    answers = [ended[at : at + of_each] for at in range(0, len(ended), of_each)]
    return [[end for end in ends if isinstance(end, Answer)] for ends in answers]


def main(chosen: argparse.Namespace) -> None:
    """Measure and print."""
    template = chosen.prompt.read_text().removesuffix("\n")
    prompts = drawn(chosen.file, chosen.problems, chosen.skip)
    begun = time.perf_counter()
    came = asyncio.run(sampled(chosen.url, template, prompts, chosen))
    seconds = time.perf_counter() - begun
    answered = [
        replace(prompt, samples=tuple(answer.sample for answer in answers))
        for prompt, answers in zip(prompts, came, strict=True)
    ]
    if chosen.out:
        chosen.out.write_text("".join(row(prompt) for prompt in answered))
    tokens = [answer.tokens for answers in came for answer in answers]
    if not tokens:
        sys.exit(f"no sample came in {seconds:.0f} s")
    verdicts = [[verdict(sample, prompt.references[0]) for sample in prompt.samples] for prompt in answered]
    counted = Counter(each for of_prompt in verdicts for each in of_prompt)
    well = sum(counted[each] for each in WELL_FORMED)
    wanted = len(prompts) * len(chosen.seeds)
    print(f"{len(tokens)} of {wanted} samples came: {well} well formed, {counted[CORRECT]} right; {dict(counted)}")
    print(f"right per problem: {[f'{each.count(CORRECT)}/{len(each)}' for each in verdicts]}")
    print(
        f"{sum(tokens) / len(tokens):.0f} tokens a completion (mean; {min(tokens)} to {max(tokens)}), {seconds:.1f} s, "
        f"{sum(tokens) / seconds:.1f} tokens/s with {chosen.concurrent} at a time; load {os.getloadavg()[0]:.1f}"
    )


def verdict(sample: Sample, reference: str) -> str:
    """`correct`, `wrong`, `no_answer`, or why a run would refuse the sample. GSM8K's answers are integers: no time limit."""
    target = normalise(sample)
    if isinstance(target, Rejected):
        return target.reason
    answer = final_answer(target)
    if answer is None:
        return "no_answer"
    return CORRECT if same_answer(answer, reference) else "wrong"


def row(prompt: Prompt) -> str:
    """A line of a trace file."""
    samples = [{"text": sample.text, "finish_reason": sample.finish_reason} for sample in prompt.samples]
    line = {"id": prompt.id, "problem": prompt.problem, "reference": prompt.references[0], "samples": samples}
    return json.dumps(line, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("url", metavar="URL", help="what serve.py prints after UP")
    asked.add_argument("file", type=Path, metavar="PROBLEMS.jsonl")
    asked.add_argument("--prompt", type=Path, default=PROMPT, help="a text with {problem} in it (prompt.txt)")
    asked.add_argument("--problems", type=int, default=12)
    asked.add_argument("--skip", type=int, default=0)
    asked.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3], help="one sample of each problem for each")
    asked.add_argument("--concurrent", type=int, default=8)
    asked.add_argument("--max-tokens", type=int, default=400)
    asked.add_argument("--seconds", type=float, default=180, help="then what has come is judged, the rest given up")
    asked.add_argument("--out", type=Path, metavar="TRACES.jsonl", help="keep the samples, as a trace file")
    main(asked.parse_args())
