"""The sections of a data card about its rows: how they came to be, how long they are, how they are trained on.

Markdown lines, and functions of the facts alone: the same corpus has the same card.
"""

import yaml

from mot_plugin.corpus import folder, reasons
from mot_plugin.corpus.card_text import code, table
from mot_plugin.corpus.facts import Facts

_OVERLONG = {
    "resample": "where the chosen trace makes a longer row, another correct one is taken; without one the prompt is left out",
    "drop": "where the chosen trace makes a longer row, the prompt is left out",
    "truncate": "longer rows stay as they are, and LLaMA-Factory cuts their ends off",
}


def stages(facts: Facts) -> list[str]:
    """From samples to rows: how many got how far, and what was wrong with the others."""
    rows = []
    for name, part in facts.parts.items():
        left = reasons.through(part["verdicts"])
        fits = left["correct"] - (0 if part["rule"]["overlong"] == "truncate" else part["too_long_samples"])
        rows.append(
            (name, f"{part['prompts']:,}", *(f"{count:,}" for count in left.values()), f"{fits:,}", f"{part['kept']:,}")
        )
    lines = table(("teacher", "prompts", "asked", *reasons.STAGES, "short enough", "chosen"), rows)
    for name, part in facts.parts.items():
        lines += ["", f"{name}: samples {reasons.counted(part['verdicts']) or 'none'}."]
        if part["dropped"]:
            lines.append(f"Prompts without a row: {reasons.counted(part['dropped'])}.")
        if part["too_long_samples"]:
            lines.append(f"Chosen, but too long: {part['too_long_samples']:,} samples.")
        if part["not_in_source"]:
            lines.append(f"Traces of {part['not_in_source']:,} prompts are of other problems than the source's.")
    words = sorted({verdict for part in facts.parts.values() for verdict in part["verdicts"]})
    return [*lines, "", *(f"* `{word}`: {reasons.of_sample(word).sentence}" for word in words)]


def rules(facts: Facts) -> list[str]:
    """How traces were verified and chosen."""
    rule = next(iter(facts.parts.values()))["rule"]
    right = "Answers were compared with nothing (`verify: none`): every well-formed trace counts as right."
    if rule["verify"] == "answers":
        right = (
            r"A trace is right if the last `\boxed{}` after its thought says the same as a reference: as a whole number, as text, "
            f"or by {rule['compared_by']}."
        )
    return [
        right,
        f"Of a prompt's right traces one is drawn at random, with seed {rule['seed']}. A row may have "
        f"{rule['max_tokens']:,} tokens: {_OVERLONG[rule['overlong']]}.",
        "",
        "The user turn of a row:",
        "",
        *(f"    {line}" for line in str(rule["prompt"]).split("\n")),
    ]


def tokens(facts: Facts) -> list[str]:
    """Lengths of whole rows."""
    head = ("teacher", "rows", "shortest", "median", "longest", "in all")
    named = {**facts.parts, **({"all": facts.summary} if facts.union else {})}
    rows = [
        (name, f"{part['kept']:,}", *(f"{part['tokens'][key]:,}" for key in ("min", "median", "max", "total")))
        for name, part in named.items()
    ]
    student = f" ({code(facts.about.student)})" if facts.about.student else ""
    return [f"Of whole rows, by the student's tokenizer{student} and chat template.", "", *table(head, rows)]


def files(facts: Facts) -> list[str]:
    """What lies in the folder."""
    lines = [
        f"* `{folder.ROWS}`: the rows, `messages` of a user and an assistant",
        f"* `{folder.PROVENANCE}`: for each row, on the same line, its problem, teacher, sample, tokens, references and SHA-256",
        f"* `{folder.VERDICTS}`: for each problem the verdict on every sample, and which was kept or why none",
        f"* `{folder.SUMMARY}`: the counts above; `{folder.DATASET_INFO}`: how LLaMA-Factory finds the rows",
    ]
    return [line for line in lines if not (facts.union and folder.VERDICTS in line)]


def training(facts: Facts) -> list[str]:
    """How to train on it by hand."""
    about = facts.about
    model, _, revision = about.student.partition("@")
    limit = next(iter(facts.parts.values()))["rule"]["max_tokens"]
    keys = {
        "model_name_or_path": model or "STUDENT",
        **({"model_revision": revision} if revision else {}),
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "full",
        "template": about.template or "TEMPLATE",
        "dataset_dir": ".",
        "dataset": facts.dataset,
        "cutoff_len": limit,
        "output_dir": "trained",
    }
    return [
        "Put this beside the rows as `train.yaml`, add learning rate, batch and number of steps, and call "
        "`llamafactory-cli train train.yaml` in this folder:",
        "",
        "```yaml",
        *yaml.safe_dump(keys, sort_keys=False).rstrip("\n").split("\n"),
        "```",
    ]


def citation() -> list[str]:
    """The method's paper."""
    return [
        "The method is Merge-of-Thought Distillation:",
        "",
        "```bibtex",
        "@misc{shen2025mergeofthought,",
        "  title = {Merge-of-Thought Distillation},",
        "  author = {Zhanming Shen and Zeyu Qin and Zenan Huang and Hao Chen and Jiaqi Hu and Yihong Zhuang and Guoshan Lu "
        "and Gang Chen and Junbo Zhao},",
        "  year = {2025},",
        "  eprint = {2509.08814},",
        "  archivePrefix = {arXiv}",
        "}",
        "```",
    ]
