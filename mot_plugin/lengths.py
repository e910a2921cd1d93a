"""How many tokens a training row has for the student: its own chat template and tokenizer, without transformers."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mot_plugin.errors import FileError, MissingInput

if TYPE_CHECKING:
    from jinja2 import Template
    from tokenizers import Tokenizer

TokenCount = Callable[[str, str], int]

_TEMPLATE = "chat_template.jinja"
_CONFIG = "tokenizer_config.json"


def token_count(folder: Path) -> TokenCount:
    """A function (user, assistant) -> tokens of the whole row, for the tokenizer in `folder`.

    What transformers' `apply_chat_template` counts: both turns, no generation prompt, no special tokens but the
    template's. Raises MissingInput for a file that is not there, FileError for one that cannot be used.
    """
    import jinja2

    config = _config(folder)
    template = _compiled(_template_text(folder, config), folder)
    tokenizer = _tokenizer(folder)
    names = special_tokens(folder)

    def count(user: str, assistant: str) -> int:
        messages = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        try:
            row = template.render(messages=messages, tools=None, documents=None, add_generation_prompt=False, **names)
        except (jinja2.TemplateError, TypeError) as error:  # TypeError: adding text to what is not text
            raise FileError(f"{folder}: the chat template refuses a user and an assistant turn: {error}") from None
        return len(tokenizer.encode(row, add_special_tokens=False).ids)

    return count


def rendered(folder: Path, turns: Sequence[tuple[str, str]], *, generate: bool = False) -> str:
    """A conversation, (role, content) a turn, in the chat template of `folder`; `generate` opens the next answer."""
    import jinja2

    config = _config(folder)
    template = _compiled(_template_text(folder, config), folder)
    messages = [{"role": role, "content": content} for role, content in turns]
    try:
        return template.render(
            messages=messages, tools=None, documents=None, add_generation_prompt=generate, **special_tokens(folder)
        )
    except (jinja2.TemplateError, TypeError) as error:
        raise FileError(f"{folder}: the chat template refuses a conversation: {error}") from None


def special_tokens(folder: Path) -> dict[str, str]:
    """`eos_token` and the like, as tokenizer_config.json names them."""
    found = {key: _content(token) for key, token in _config(folder).items() if key.endswith("_token")}
    return {key: token for key, token in found.items() if token is not None}


def encoder(folder: Path) -> Callable[[str], list[int]]:
    """A function text -> its token ids, none added. Raises MissingInput, FileError for the tokenizer in `folder`."""
    tokenizer = _tokenizer(folder)
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def token_ids(folder: Path) -> dict[str, int]:
    """Every token of the tokenizer in `folder` -> its id, added ones included. Raises MissingInput, FileError."""
    ids: dict[str, int] = _tokenizer(folder).get_vocab(with_added_tokens=True)
    return ids


def _config(folder: Path) -> dict[str, Any]:
    path = folder / _CONFIG
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}  # the template may stand in a file of its own, and need no token names
    except ValueError as error:
        raise FileError(f"{path} is not JSON: {error}") from None
    if not isinstance(config, dict):
        raise FileError(f"{path} is not a JSON object")
    return config


def _content(token: object) -> str | None:
    """Special tokens are written as text or as {"content": text, ...}."""
    found = token.get("content") if isinstance(token, dict) else token
    return found if isinstance(found, str) else None


def _template_text(folder: Path, config: dict[str, Any]) -> str:
    """The file of its own wins over the entry of the config, as in transformers."""
    path = folder / _TEMPLATE
    if path.is_file():
        return path.read_text(encoding="utf-8")
    entry = config.get("chat_template")
    if isinstance(entry, list):  # several by name
        entry = next((one.get("template") for one in entry if one.get("name") == "default"), None)
    if not isinstance(entry, str):
        raise MissingInput(
            f"{folder} has no chat template: put a {_TEMPLATE} there, as the instruction-tuned model has"
        )
    return entry


def _tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingInput(f"{path}: no such file; take the student's tokenizer files along with its weights") from None
    try:
        tokenizer: Tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # noqa: BLE001  (tokenizers raises nothing narrower)
        raise FileError(f"{path} is not a tokenizer: {error}") from None
    tokenizer.no_truncation()  # a file may ask for both, and both would falsify the count
    tokenizer.no_padding()
    return tokenizer


def _compiled(text: str, folder: Path) -> "Template":
    """The template in the environment that transformers gives one: sandbox, whitespace rules, filters, functions."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what the model says; for the text it is nothing."""

        tags = {"generation"}  # noqa: RUF012  (as jinja2 declares it)

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def raise_exception(message: str) -> NoReturn:
        raise TemplateError(message)

    def strftime_now(form: str) -> str:
        return datetime(2025, 1, 1, tzinfo=UTC).strftime(form)  # one day for all: a row counts the same tomorrow

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(raise_exception=raise_exception, strftime_now=strftime_now)
    try:
        return environment.from_string(text)
    except TemplateError as error:
        raise FileError(f"the chat template of {folder} is not valid: {error}") from None


def _to_json(
    value: object,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """jinja2's own `tojson` escapes HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
