"""Judge stored outputs with EvalScope's own code. Run by `evaluation.py --evalscope PYTHON`, with that environment's Python.

    python evaluation_evalscope.py < CASES.jsonl > VERDICTS.jsonl

A case has `benchmark` (EvalScope's name), `text`, `target`, `choices` (may be empty) and `metadata` (its row). A line of output is
true or false, or null where EvalScope says that it could not judge. Thoughts are taken off as its documentation has it for
thinking models: by its filter `remove_until` with `</think>`. Nothing of our package is imported here.
"""

import contextlib
import json
import logging
import os
import sys
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
SCORES = ("acc", "accuracy", "prompt_level_strict")


def main() -> None:
    """Read the cases, write the verdicts."""
    cases = [json.loads(line) for line in sys.stdin]
    with contextlib.redirect_stdout(sys.stderr):
        verdicts = list(map(judged(), cases))
    sys.stdout.write("".join(json.dumps(verdict) + "\n" for verdict in verdicts))


def judged() -> Any:
    """The function that judges a case."""
    from evalscope.api.dataset import Sample  # type: ignore[import-not-found]
    from evalscope.api.evaluator import TaskState  # type: ignore[import-not-found]
    from evalscope.api.model import ModelOutput  # type: ignore[import-not-found]
    from evalscope.api.registry import get_benchmark  # type: ignore[import-not-found]
    from evalscope.config import TaskConfig  # type: ignore[import-not-found]

    logging.disable(logging.WARNING)
    adapters: dict[str, Any] = {}

    def adapter(name: str) -> Any:
        if name not in adapters:
            asked = {name: {"filters": {"remove_until": "</think>"}}}
            config = TaskConfig(model="stored", datasets=[name], dataset_args=asked, eval_type="mock_llm")
            adapters[name] = get_benchmark(name, config)
        return adapters[name]

    def judge(case: dict[str, Any]) -> bool | None:
        sample = Sample(
            input="",
            target=case["target"],
            choices=case["choices"] or None,
            metadata=case["metadata"],
            id=0,
            group_id=0,
        )
        state = TaskState("stored", sample, output=ModelOutput.from_content("stored", case["text"]), completed=True)
        score = adapter(case["benchmark"]).calculate_metrics(state).score
        said = [score.value[name] for name in SCORES if name in score.value]
        return bool(said[0]) if said else None

    return judge


if __name__ == "__main__":
    main()
