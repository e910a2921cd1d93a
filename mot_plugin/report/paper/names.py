"""Names of students, sources, teachers and tasks: one key for each, however it is written, and how tables print it."""

import re

# The paper writes one thing in several ways; so do runs.
_SAME = {
    "qwen3-30b": "qwen3-30b-a3b",
    "qwen3-30-a3b": "qwen3-30b-a3b",
    "qwen3-235b-a22b": "qwen3-235b",
    "qwq-32b": "qwq",
    "r1": "deepseek-r1",
    "boba": "boba-200",
    "boba200": "boba-200",
    "s1k": "s1k-200",
    "s1k200": "s1k-200",
}
_TAUGHT = re.compile(r"(?P<model>.+?)-(?P<config>base|best-std|std|mot)")
_CONFIGS = {"base": "Base", "std": "Best STD", "best-std": "Best STD", "mot": "MoT"}
CONFIGS = ("Base", "Best STD", "MoT")
"""What a student was before it became a teacher (Table 9)."""
_TASKS = {
    "mot_ceval": ("CEV", "C-Eval"),
    "mot_supergpqa": ("SG", "SuperGPQA"),
    "mot_ifeval": ("IFE", "IFEval"),
    "mot_simpleqa": ("SQ", "SimpleQA"),
    "mot_mmlu_pro": ("MP", "MMLU-Pro"),
    "mot_mmlu_redux": ("MR", "MMLU-Redux"),
    "mot_phybench": ("PB", "PhyBench"),
    "mot_livecodebench": ("LCB", "LiveCodeBench"),
    "mot_gpqa_diamond": ("GPQA-D", "GPQA-Diamond"),
}


def key(name: str) -> str:
    """`Qwen3-30B` and `QWEN3-30B-A3B` are one student, `boba200` and `BOBA-200` one source."""
    plain = re.sub(r"[\s_]+", "-", name.strip().lower())
    return _SAME.get(plain, plain)


def printed(one: str) -> str:
    """As the paper's small capitals come out in plain text."""
    return one.upper()


def without_size(source: str) -> str:
    """`BOBA` for `boba-200`: Tables 2 and 3 print sources so."""
    return printed(re.sub(r"-\d+$", "", source))


def file_word(source: str) -> str:
    """`boba200` for `boba-200`: recipes are named so."""
    return source.replace("-", "")


def teacher_word(teacher: str) -> str:
    """`r1` for `deepseek-r1`, as recipes are named; others by their own name."""
    return "r1" if teacher == "deepseek-r1" else teacher


def taught(teacher: str) -> tuple[str, str] | None:
    """(model, `Base`, `Best STD` or `MoT`) of a teacher that was a student: `qwen3-14b-mot`; None for any other."""
    found = _TAUGHT.fullmatch(teacher)
    return (found["model"], _CONFIGS[found["config"]]) if found else None


def task(name: str, *, full: bool = False) -> str:
    """A column's name: short as in Tables 3 and 4, or full as in Table 9."""
    short = name.removeprefix("mot_").upper()
    return _TASKS.get(name, (short, short))[full]
