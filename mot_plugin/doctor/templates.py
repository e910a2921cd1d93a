"""Is the student trained on rows as it is served? LLaMA-Factory's template beside the student's own, token by token."""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from mot_plugin import lengths
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown, warning
from mot_plugin.errors import FileError, MissingInput, MotError
from mot_plugin.recipe import Recipe
from mot_plugin.strict import suggest
from mot_plugin.tools import llamafactory, llamafactory_template
from mot_plugin.tools.llamafactory_template import Named, Piece, Template

PROBLEM = 'What is 2 + 3? It\'s "easy".'
ANSWER = "<think>\nTwo and three.\nThat is 5.\n</think>\n\nThe sum is \\boxed{5}."
_SHOWN = 40


def check(context: Context) -> Iterator[Finding]:
    """Only where something is to be trained."""
    recipe, folder = context.recipe, context.student
    if recipe is None or "train" not in context.kinds:
        return
    named = str(recipe.sft["template"])
    one = context.environments.get(llamafactory.TOOL)
    known = _read(one.templates) if one else {}
    template = known.get(named)
    if known and template is None:
        hint = suggest(named, known) or f"; it has {len(known)} others"
        yield error("sft.template", f"LLaMA-Factory has no template {named!r}{hint}", "mend `sft.template`", FileError)
        return
    if template is None or not template.readable:
        why = f"LLaMA-Factory's {named} cannot be read" if known else "LLaMA-Factory's source cannot be seen"
        yield unknown("chat template", f"{why}: not compared with the student's own")
    if folder is None or not (folder / "tokenizer.json").is_file():
        yield unknown("chat template", "the student's tokenizer is not here", _fetch(recipe))
        return
    if template is not None and template.readable:
        try:
            yield from _compared(recipe, folder, template)
        except (FileError, MissingInput) as wrong:
            yield _as_it_is(wrong)
    yield from _thoughts(context, recipe, folder, template)


def _fetch(recipe: Recipe) -> str:
    model = recipe.student.partition("@")[0]
    return "" if recipe.student_folder else f"hf download {model} --include '*.json' '*.jinja'"


def _as_it_is(wrong: MotError) -> Finding:
    return error("chat template", str(wrong), "mend the student's folder", type(wrong))


@lru_cache(maxsize=4)
def _read(source: str) -> dict[str, Template]:
    try:
        return dict(llamafactory_template.read(source))
    except SyntaxError:
        return {}


def _compared(recipe: Recipe, folder: Path, template: Template) -> Iterator[Finding]:
    """The prompt as it is asked, then the whole row to the token that ends an answer."""
    thinking = recipe.sft.get("enable_thinking") is not False
    user = recipe.prompt.replace("{problem}", PROBLEM)
    prompt = template.prompt(user, recipe.sft.get("default_system"))
    row = (*prompt, *template.answer(ANSWER, thinking=thinking))
    turns = [("user", user), ("assistant", ANSWER)]
    served = lengths.rendered(folder, turns[:1], generate=True), lengths.rendered(folder, turns)
    names, encode = lengths.special_tokens(folder), lengths.encoder(folder)
    stop = template.stop_words[0] if template.stop_words else names.get("eos_token", "")
    what = f"template {template.name}"
    parts = [("prompt", prompt, served[0]), ("row", row, served[1])]
    for part, trained, text in parts if thinking else parts[:1]:  # an empty thought differs with a template's settings
        ours, theirs = ids(trained, encode, names), encode(text)
        end = encode(stop)[-1:] if stop and part == "row" else []
        if _until(ours, end) != _until(theirs, end):
            said = _difference(_text(trained, names), text, part)
            hint = f"take the `sft.template` that the student was made with, or put {template.name}'s chat template into {folder}"
            yield error("chat template", said, hint, FileError)
            return
    yield ok("chat template", f"{what} and the student's own give the same tokens, prompt and row")
    yield _ending(folder, stop, encode)


def ids(pieces: tuple[Piece, ...], encode: Callable[[str], list[int]], names: dict[str, str]) -> list[int]:
    """A row as LLaMA-Factory tokenizes it: piece by piece."""
    return [one for piece in pieces for one in encode(written(piece, names))]


def _text(pieces: tuple[Piece, ...], names: dict[str, str]) -> str:
    return "".join(written(piece, names) for piece in pieces)


def written(piece: Piece, names: dict[str, str]) -> str:
    """A piece as text; `names` are the tokenizer's special tokens, of which it may lack some."""
    if isinstance(piece, Named):
        return names.get(piece.token, "" if piece.token in ("bos_token", "eos_token") else piece.token)
    return piece


def _until(ids: list[int], end: list[int]) -> list[int]:
    """What comes behind the last end of an answer is read by nobody."""
    return ids[: len(ids) - ids[::-1].index(end[0])] if end and end[0] in ids else ids


def _difference(trained: str, served: str, part: str) -> str:
    at = next(
        (at for at, (a, b) in enumerate(zip(trained, served, strict=False)) if a != b), min(len(trained), len(served))
    )
    begin = max(0, at - 10)
    if trained == served:
        return f"the {part} is the same text, and other tokens: LLaMA-Factory tokenizes it in pieces"
    ours, theirs = (text[begin : begin + _SHOWN] for text in (trained, served))
    return f"the {part} differs at character {at}: trained {ours!r}, served {theirs!r}"


def _ending(folder: Path, stop: str, encode: Callable[[str], list[int]]) -> Finding:
    """An engine stops at the tokenizer's end or at generation_config.json's."""
    ids = encode(stop)
    stops = {one for text in (lengths.special_tokens(folder).get("eos_token"),) if text for one in encode(text)[-1:]}
    try:
        said = json.loads((folder / "generation_config.json").read_bytes()).get("eos_token_id")
    except (OSError, ValueError, AttributeError):
        said = None
    stops |= {one for one in (said if isinstance(said, list) else [said]) if isinstance(one, int)}
    if len(ids) == 1 and ids[0] in stops:
        return ok("end of an answer", f"{stop} (token {ids[0]}) is learnt, and generation stops there")
    wrong = (
        f"{stop} ends every trained answer, and generation stops at {sorted(stops) or 'nothing'}: answers would not end"
    )
    remedy = f'write "eos_token_id": {sorted(stops | set(ids[-1:]))} into {folder / "generation_config.json"}'
    return error("end of an answer", wrong, remedy, FileError)


def _thoughts(context: Context, recipe: Recipe, folder: Path, template: Template | None) -> Iterator[Finding]:
    """What takes thoughts away: a setting of training, one of evaluation, a tag that decoding leaves out."""
    arguments, trained = context.machine.eval.model_args, recipe.sft.get("enable_thinking") is not False
    reasoning = template is not None and template.kind == llamafactory_template.REASONING
    wrong = []
    if reasoning and not trained:
        said = "enable_thinking: false takes every thought out of the rows before training"
        wrong.append(warning("thoughts in training", said, "write `enable_thinking: true` under `sft:`"))
    if trained and arguments.get("enable_thinking") is False:
        said = "the student is trained to think, and evaluated with enable_thinking: false"
        wrong.append(error("thoughts in evaluations", said, "take `enable_thinking` out of eval.model_args", FileError))
    if "think_end_token" in arguments:
        said = "think_end_token cuts thoughts off before they are logged, and an unfinished one counts as the answer"
        wrong.append(warning("thoughts in evaluations", said, "take `think_end_token` out of eval.model_args"))
    if special := _special(folder):
        said = f"{', '.join(special)} {'are' if special[1:] else 'is'} special in tokenizer.json: answers are shown without"
        wrong.append(warning("think tags", said, f'write "special": false there, in {folder / "tokenizer.json"}'))
    yield from wrong or [ok("thoughts", "kept in training and in evaluations")]


def _special(folder: Path) -> list[str]:
    try:
        added = json.loads((folder / "tokenizer.json").read_bytes()).get("added_tokens") or []
        return [one["content"] for one in added if one["content"] in ("<think>", "</think>") and one.get("special")]
    except (OSError, ValueError, AttributeError, KeyError, TypeError):  # said where the templates are compared
        return []
