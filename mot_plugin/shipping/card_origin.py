"""The sections of a model card about where a student comes from: teachers, rounds, merges, data, licences."""

from mot_plugin.corpus import card_origin as data_card
from mot_plugin.corpus.card_text import code, listed, table
from mot_plugin.shipping.student import Student

PAPER = "https://arxiv.org/abs/2509.08814"
_SHOWN = ("template", "cutoff_len", "learning_rate", "lr_scheduler_type", "finetuning_type", "bf16", "seed")


def opening(student: Student) -> list[str]:
    """What it is in a sentence, and what nobody should use it without knowing."""
    recipe = student.recipe
    base = f"[{student.hub_base}](https://huggingface.co/{student.hub_base})" if student.hub_base else student.base_name
    teachers = (
        f"{len(recipe.teachers)} teacher{'s' if len(recipe.teachers) > 1 else ''} ({listed(list(recipe.teachers))})"
    )
    how = {
        "MoT": f"distilled from {teachers} by [Merge-of-Thought]({PAPER})",
        "MTD": f"fine-tuned on the traces of {teachers} together (MTD, a baseline of [Merge-of-Thought]({PAPER}))",
        "STD": f"fine-tuned on the traces of {student.checkpoint.teacher} (STD, a baseline of [Merge-of-Thought]({PAPER}))",
    }.get(student.checkpoint.method, f"trained as {student.checkpoint.title}")
    lines = [
        f"{base}, {how} on {recipe.source_name}. Made with mot-plugin; `provenance.json` says from what, with which tools."
    ]
    unknown = [what for what, name in student.licenses.items() if not name]
    if unknown:
        lines += [
            "",
            f"> **Licence unknown.** The recipe names no licence for the {listed(unknown)}: find out before you use or pass on "
            "this model.",
        ]
    live = [name for name, teacher in recipe.teachers.items() if teacher.live]
    if live:
        lines += [
            "",
            f"> **Terms of use.** {listed(live)} answered requests. Whoever hosts a model may forbid to train on what it says, "
            "whatever licence its weights have: read the terms.",
        ]
    return lines


def method(student: Student) -> list[str]:
    """Rounds, steps, merge, training settings."""
    recipe = student.recipe
    mot, methods = recipe.methods.mot, recipe.methods
    rows = sum(int(one.summary["kept"]) for one in student.corpora.values())
    lines: list[str] = []
    if student.checkpoint.method == "MoT" and mot is not None:
        merges = list(dict.fromkeys(mot.merges))
        weights = ", ".join(f"{name} {weight:g}" for name, weight in mot.weights.items())
        lines += [
            f"In each round the student is fine-tuned once per teacher, and the {len(recipe.teachers)} branches are merged; the "
            "merge starts the next round. The training code is LLaMA-Factory's, the merge mergekit's.",
            "",
            f"* rounds: {mot.rounds}{', or until one brings no gain' if mot.until else ''}; this is round "
            f"{student.checkpoint.round}",
            f"* optimizer steps of a branch in a round: {mot.steps}, of {recipe.global_batch_size} rows each",
            f"* merge: {listed([code(one) for one in merges])}, {weights or 'all teachers weigh the same'}",
            f"* the student is kept in {mot.carry} between rounds",
        ]
    else:
        trained = methods.mtd if student.checkpoint.method == "MTD" else methods.std
        steps = f" of {trained.steps}" if trained else ""
        lines += [f"* optimizer steps: {student.checkpoint.step}{steps}, of {recipe.global_batch_size} rows each"]
    shown = [f"{key} {recipe.sft[key]}" for key in _SHOWN if key in recipe.sft]
    lines += [
        f"* training rows: {rows:,} of {len(student.corpora)} corpora; {'; '.join(shown)}",
        f"* seeds: recipe {recipe.seed}, evaluation {recipe.eval.seed}",
    ]
    return lines


def data(student: Student) -> list[str]:
    """The source, and each teacher's corpus."""
    if not student.corpora:
        return ["No corpus is known."]
    every = list(student.corpora.values())
    lines = [*data_card.source(every[0]), ""]
    lines = [line for line in lines if "verdicts.jsonl" not in line] if every[0].source else lines
    rows = []
    for name, one in student.corpora.items():
        summary = one.summary
        tokens = summary["tokens"]
        rows.append(
            [
                name,
                f"{summary['prompts']:,}",
                f"{summary['samples']:,}",
                f"{summary['kept']:,}",
                f"{tokens['median']:,}",
                f"{tokens['total']:,}",
            ]
        )
    lines += table(("teacher", "prompts", "samples", "rows", "median tokens", "tokens in all"), rows)
    lines += ["", *(line for one in every for line in data_card.teachers(one))]
    loose = [name for name, one in student.corpora.items() if one.summary["rule"]["verify"] == "none"]
    if loose:
        lines += [
            "",
            f"Nobody compared the answers of {listed(loose)} with references: wrong traces may be among them.",
        ]
    compared = data_card.benchmarks(every[0])
    return [*lines, "", "Benchmark problems among the training problems:", "", *compared]


def licences(student: Student) -> list[str]:
    """What is under which licence; the weights derive from the base student's."""
    lines = [f"* {what}: {code(name) if name else '**unknown**'}" for what, name in student.licenses.items()]
    return [
        *lines,
        "",
        "The `license` of this card is the base student's, from whose weights these were made. What the traces' licences and "
        "the teachers' terms allow comes on top of it.",
    ]
