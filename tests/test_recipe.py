"""Recipes: good ones load; each mistake gives exactly its message, all of them at once."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from mot_plugin import recipe
from mot_plugin.errors import FileError
from mot_plugin.recipe import methods

LINES = """\
name: demo
student: ./student
teachers:
  qwq: {traces: qwq.jsonl}
  r1: {traces: r1.jsonl}
methods:
  base: {}
  mot: {rounds: 2, steps: 4}
  std: {steps: 8, save_steps: 4}
  mtd: {steps: 8, save_steps: 4}
prompt: "{problem}"
sft:
  template: qwen3
  cutoff_len: 2048
  learning_rate: 1e-5
eval: {tasks: [mot_aime24]}
""".split("\n")


def load(folder: Path, text: str) -> recipe.Recipe:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return recipe.load(file)


def changed(*changes: tuple[int, str | None]) -> str:
    """The good recipe with some lines (counted from 1) replaced, or taken out (None)."""
    lines: list[str | None] = list(LINES)
    for number, line in changes:
        lines[number - 1] = line
    return "\n".join(line for line in lines if line is not None)


def findings(folder: Path, text: str) -> list[str]:
    with pytest.raises(FileError) as raised:
        load(folder, text)
    head, *found = str(raised.value).split("\n")
    assert head == f"{folder}/recipe.yaml has {len(found)} error{'s' if len(found) > 1 else ''}"
    assert raised.value.exit_code == 2
    return found


def test_a_good_recipe_is_what_its_file_says(tmp_path: Path) -> None:
    made = load(tmp_path, "\n".join(LINES))
    assert list(made.teachers) == ["qwq", "r1"]
    assert made.sft == {"template": "qwen3", "cutoff_len": 2048, "learning_rate": 1e-5}
    assert made.methods.mot == methods.Mot(rounds=2, steps=4, merge="linear")
    assert made.global_batch_size == 64
    assert made.corpus == recipe.Corpus(overlong="resample", batching="exact")
    with pytest.raises(ValidationError, match="frozen"):
        made.seed = 1  # type: ignore[misc]


def test_a_method_that_is_not_named_is_not_there(tmp_path: Path) -> None:
    methods = load(tmp_path, changed((7, None), (9, None))).methods
    assert (methods.base, methods.std) == (None, None)
    assert methods.mtd is not None


@pytest.mark.parametrize(
    ("student", "folder"),
    [
        ("Qwen/Qwen3-8B", None),
        ("Qwen/Qwen3-8B@abc", None),
        ("./student", "./student"),
        ("../student", "../student"),
        ("/models/x", "/models/x"),
        ("~/models/x", "~/models/x"),
    ],
)
def test_a_student_is_a_hub_id_or_a_folder(tmp_path: Path, student: str, folder: str | None) -> None:
    assert load(tmp_path, changed((2, f"student: {student}"))).student_folder == folder


OWNED = "set by the plan, not by a recipe"
PLACED = "belongs under `train:` in the machine file: a recipe does not know the machine"
MISTAKES = {
    "unknown key at the top": ([(1, "name: demo\nsed: 1")], ["line 2    sed: unknown key, did you mean 'seed'?"]),
    "unknown key of a teacher": (
        [(4, "  qwq: {trace: qwq.jsonl}")],
        ["line 4    teachers.qwq.trace: unknown key, did you mean 'traces'?"],
    ),
    "unknown key of a method": (
        [(8, "  mot: {rounds: 2, steps: 4, merg: linear}")],
        ["line 8    methods.mot.merg: unknown key, did you mean 'merge'?"],
    ),
    "unknown method": ([(7, "  bas: {}")], ["line 7    methods.bas: unknown key, did you mean 'base'?"]),
    "nothing close": ([(1, "name: demo\nzzz: 1")], ["line 2    zzz: unknown key"]),
    "missing block": ([(16, None)], ["line 1    eval: missing"]),
    "too small": (
        [(8, "  mot: {rounds: 0, steps: -1}")],
        [
            "line 8    methods.mot.rounds: must be at least 1, got 0",
            "line 8    methods.mot.steps: must be at least 1, got -1",
        ],
    ),
    "a fraction of a step": (
        [(8, "  mot: {rounds: 2, steps: 4.5}")],
        ["line 8    methods.mot.steps: must be a whole number, got 4.5"],
    ),
    "a quoted number": (
        [(8, "  mot: {rounds: '2', steps: 4}")],
        ["line 8    methods.mot.rounds: must be a whole number, got '2'"],
    ),
    "a truth for a number": (
        [(1, "name: demo\nseed: true")],
        ["line 2    seed: must be a whole number, got True"],
    ),
    "a number for a name": ([(1, "name: 7")], ["line 1    name: must be text, got 7"]),
    "a name that is no folder": (
        [(1, "name: a/b")],
        ["line 1    name: must be letters, digits, '.', '_' or '-', and start with a letter or digit, got 'a/b'"],
    ),
    "a teacher that is no folder": (
        [(4, "  q w q: {traces: x}")],
        [
            "line 4    teachers.q w q: must be letters, digits, '.', '_' or '-', and start with a letter or digit, "
            "got 'q w q'"
        ],
    ),
    "a teacher that hides": (
        [(4, "  ..: {traces: x}")],
        ["line 4    teachers...: must be letters, digits, '.', '_' or '-', and start with a letter or digit, got '..'"],
    ),
    "a taken name": (
        [(5, "  union: {traces: x}")],
        ["line 5    teachers.union: this name is taken, choose another"],
    ),
    "no teacher": (
        [(3, "teachers: {}"), (4, None), (5, None)],
        ["line 3    teachers: needs at least 1, got {}"],
    ),
    "no student": ([(2, "student: ''")], ["line 2    student: must not be empty, got ''"]),
    "no method": (
        [(6, "methods: {}"), (7, None), (8, None), (9, None), (10, None)],
        ["line 6    methods: names no method: one or more of base, mot, std, mtd, one_shot, matched"],
    ),
    "a merge of nothing": (
        [(9, None), (10, "  one_shot: {merge: ties}")],
        ["line 9    methods.one_shot: merges the STD trainings: give methods.std too"],
    ),
    "as many steps as nothing": (
        [(8, None), (10, "  matched: {save_steps: 5}")],
        ["line 9    methods.matched: takes as many steps as MoT: give methods.mot too"],
    ),
    "checkpoints that miss the matched end": (
        [(8, "  mot: {rounds: 2, steps: 4}"), (10, "  matched: {save_steps: 5}")],
        [
            "line 10   methods.matched.save_steps: must divide the 8 steps that a round takes in all (2 teachers x 4)",
        ],
    ),
    "a measurement of a method that is not there": (
        [(10, "probe: {tasks: [mot_aime24_64], of: [mtd, mot]}")],
        ["line 10   probe.of: names mtd, which methods does not"],
    ),
    "an empty method": (
        [(7, "  base:")],
        ["line 7    methods.base: is empty: give it its keys ({} if it has none), or take the line out"],
    ),
    "checkpoints that miss the end": (
        [(9, "  std: {steps: 250, save_steps: 60}")],
        [
            "line 9    methods.std: steps (250) must be a multiple of save_steps (60): the end would not be evaluated",
        ],
    ),
    "the same for all teachers": (
        [(10, "  mtd: {steps: 5, save_steps: 2}")],
        ["line 10   methods.mtd: steps (5) must be a multiple of save_steps (2): the end would not be evaluated"],
    ),
    "no task": ([(16, "eval: {tasks: []}")], ["line 16   eval.tasks: needs at least 1, got []"]),
    "a task for a list": ([(16, "eval: {tasks: aime}")], ["line 16   eval.tasks: must be a list, got 'aime'"]),
    "a choice that is none": (
        [(1, "name: demo\ncorpus: {overlong: cut}")],
        ["line 2    corpus.overlong: must be 'resample', 'drop' or 'truncate', got 'cut'"],
    ),
    "a prompt without the problem": ([(11, "prompt: Think.")], ["line 11   prompt: has no {problem}"]),
    "a block where a word is": (
        [(12, "sft: qwen3"), (13, None), (14, None), (15, None)],
        ["line 12   sft: must be a block of keys, got 'qwen3'"],
    ),
    "a key given twice": (
        [(13, "  template: qwen3\n  template: llama3")],
        ["line 14   sft.template: given twice, first on line 13"],
    ),
    "plan-owned keys": (
        [(13, "  template: qwen3\n  output_dir: x\n  max_steps: 3\n  packing: true\n  val_size: 0.1\n  seed: 1")],
        [
            f"line {14 + n}   sft.{key}: {OWNED}"
            for n, key in enumerate(("output_dir", "max_steps", "packing", "val_size", "seed"))
        ],
    ),
    "machine-owned keys": (
        [(13, "  template: qwen3\n  deepspeed: zero3\n  per_device_train_batch_size: 1")],
        [f"line 14   sft.deepspeed: {PLACED}", f"line 15   sft.per_device_train_batch_size: {PLACED}"],
    ),
    "no key of the trainer": (
        [(13, "  template: qwen3\n  lerning_rate: 1e-4\n  qqqqqqqq: 1")],
        [
            "line 14   sft.lerning_rate: LLaMA-Factory has no such key, did you mean 'learning_rate'?",
            "line 15   sft.qqqqqqqq: LLaMA-Factory has no such key",
        ],
    ),
    "part of the layers": (
        [(13, "  template: qwen3\n  finetuning_type: freeze")],
        [
            "line 14   sft.finetuning_type: must be full or lora, got 'freeze': "
            "nothing else leaves a model that can be merged"
        ],
    ),
    "weights of nobody": (
        [(8, "  mot: {rounds: 1, steps: 2, weights: {qwq: 1, r2: 2}}")],
        [
            "line 8    methods.mot.weights.r2: no such teacher",
            "line 8    methods.mot.weights: names no weight for r1",
        ],
    ),
    "a word that would count as true": (
        [(13, "  template: qwen3\n  bf16: no\n  eval_strategy: no")],
        ["line 14   sft.bf16: write true or false: the word 'no' would count as true"],
    ),
    "a setting that would be guessed": (
        [(13, None), (15, None)],
        [
            f"line 12   sft: {key} is missing: LLaMA-Factory's default would train, silently, on something else"
            for key in ("template", "learning_rate")
        ],
    ),
    "a length that is none": (
        [(14, "  cutoff_len: 25k")],
        ["line 14   sft.cutoff_len: must be a whole number of tokens, got '25k'"],
    ),
    "a truth for a length": (
        [(14, "  cutoff_len: true")],
        ["line 14   sft.cutoff_len: must be a whole number of tokens, got True"],
    ),
    "a list for a file": (
        [(n, None) for n in range(2, 17)] + [(1, "[]")],
        ["line 1    (the whole file): must be a block of keys, got []"],
    ),
}


@pytest.mark.parametrize(("changes", "messages"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_exactly_its_message(
    tmp_path: Path, changes: list[tuple[int, str | None]], messages: list[str]
) -> None:
    assert findings(tmp_path, changed(*changes)) == [f"  {message}" for message in messages]


def test_everything_wrong_is_said_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = changed(
        (1, "name: demo\nname: again"),
        (4, "  qwq: {path: qwq.jsonl}"),
        (8, "  mot: {rounds: 0, steps: 4}"),
        (9, "  std: {steps: 7, save_steps: 4}"),
        (11, "prompt: Think."),
        (13, "  template: qwen3\n  output_dir: x"),
        (15, "  learning_rat: 1e-5"),
        (16, "eval: {task: [mot_aime24]}"),
    )
    assert findings(tmp_path, text) == [
        "  line 2    name: given twice, first on line 1",
        "  line 5    teachers.qwq.path: unknown key",
        "  line 9    methods.mot.rounds: must be at least 1, got 0",
        "  line 10   methods.std: steps (7) must be a multiple of save_steps (4): the end would not be evaluated",
        "  line 12   prompt: has no {problem}",
        "  line 13   sft: learning_rate is missing: LLaMA-Factory's default would train, silently, on something else",
        "  line 15   sft.output_dir: set by the plan, not by a recipe",
        "  line 17   sft.learning_rat: LLaMA-Factory has no such key, did you mean 'learning_rate'?",
        "  line 18   eval.tasks: missing",
        "  line 18   eval.task: unknown key, did you mean 'tasks'?",
    ]


def test_an_empty_recipe_lists_what_it_needs(tmp_path: Path) -> None:
    needed = ("name", "student", "teachers", "methods", "sft", "eval")
    assert findings(tmp_path, "") == [f"  line 1    {key}: missing" for key in needed]


LIVE = """\
name: demo
source: {file: problems.jsonl, columns: {problem: question}}
student: ./student
teachers:
  qwq: {model: Qwen/QwQ-32B}
methods: {base: {}}
sampling: {n: 16, temperature: 0.6, top_p: 0.95, top_k: null, max_tokens: 32768}
sft: {template: qwen3, cutoff_len: 512, learning_rate: 1.0e-5}
eval: {tasks: [mot_aime24]}
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("model: Qwen/QwQ-32B", "", "line 5    teachers.qwq: needs one of traces, model and run, has none"),
        (
            "{model: ",
            "{traces: a, model: ",
            "line 5    teachers.qwq: needs one of traces, model and run, has traces and model",
        ),
        (
            "file: problems.jsonl, ",
            "",
            "line 2    source: has neither file nor hub, and qwq must be asked about something",
        ),
        (
            "{file: problems.jsonl, ",
            "{hub: a/b, ",
            "line 2    source.hub: needs `file`: the path of the rows in that data set",
        ),
        (
            "source: {file: problems.jsonl, columns: {problem: question}}",
            "source: BOBA",
            "line 2    source: is a mapping: write {name: BOBA}",
        ),
        ("{file: ", "{format: bobo, file: ", "line 2    source.format: no format 'bobo', did you mean 'boba'?"),
        (
            "{model: Qwen/QwQ-32B}",
            "{traces: a, format: opnr1}",
            "line 5    teachers.qwq.format: no format 'opnr1', did you mean 'openr1'?",
        ),
        ("n: 16, ", "", "line 7    sampling.n: missing"),
        ("top_k: null, ", "", "line 7    sampling.top_k: missing"),
        ("temperature: 0.6", "temperature: warm", "line 7    sampling.temperature"),
        ("n: 16", "n: 16, mode: best", "line 7    sampling.mode"),
    ],
)
def test_mistakes_about_live_teachers_are_named(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in LIVE
    assert any(one.startswith(f"  {message}") for one in findings(tmp_path, LIVE.replace(before, after))), findings(
        tmp_path, LIVE.replace(before, after)
    )


def test_a_live_teacher_needs_a_sampling(tmp_path: Path) -> None:
    lines = [line for line in LIVE.split("\n") if not line.startswith("sampling")]
    assert findings(tmp_path, "\n".join(lines)) == [
        "  line 5    teachers.qwq: is asked, and nothing says how: give the recipe `sampling`"
    ]


def test_a_teachers_own_sampling_wins(tmp_path: Path) -> None:
    own = "{model: x, sampling: {n: 4, temperature: 1.0, top_p: 1.0, top_k: null, max_tokens: 100}}"
    file = tmp_path / "live.yaml"
    file.write_text(LIVE.replace("methods:", f"  r1: {own}\nmethods:"), encoding="utf-8")
    made = recipe.load(file)
    assert (made.sampling_of("qwq").n, made.sampling_of("r1").n) == (16, 4)
    assert made.teachers["r1"].live
