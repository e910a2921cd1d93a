"""Worlds for whole runs with the fake tools: a new one, and one whose run is finished. A tiny student tokenizer. Live teachers."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_world import World, copy_world, make_world
from fault_server import FaultServer
from live_world import build, forget_anna, make_live_world, place
from llama_server import LlamaServer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

# Qwen3's row for a user and an assistant turn, with a date, loop controls and marked generations thrown in.
TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {{- raise_exception('no system turns here') }}
{%- endif %}
{# the day is written by strftime_now in some templates #}
{% for message in messages %}
    {%- if message.role == 'user' %}
{{ '<|im_start|>user\\n' + message.content + eos_token + '\\n' }}
    {%- else %}
{{ '<|im_start|>assistant\\n' }}
        {%- generation %}
{{ message.content + eos_token + '\\n' }}
        {%- endgeneration %}
    {%- endif %}
{% endfor %}
{{ {'turns': messages|length, 'text': '<a & b>'} | tojson }}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token per byte, plus chat and think tokens, with its template in a file of its own."""
    folder = tmp_path_factory.mktemp("student")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({character: index for index, character in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.add_tokens([AddedToken(tag, special=False, normalized=False) for tag in ("<think>", "</think>")])
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": {"__type": "AddedToken", "content": "<|im_end|>", "special": True},
        "pad_token": "<|endoftext|>",
        "add_bos_token": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


HERE = Path(__file__).parent
REAL = {HERE / "contract", HERE / "training"}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no real tool is wanted, files whose every test runs one are not imported: they import it, which takes seconds."""
    return True if collection_path in REAL and "not contract" in config.option.markexpr else None


# A shell starts what it puts into the background with SIGINT ignored, nohup does so with SIGHUP, and what ignores them hands that
# on: tests that stop something would wait for its end.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two teachers and one round, nothing run yet."""
    made = make_world(tmp_path / "world", rounds=1)
    yield made
    made.end_all()


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two teachers and two rounds, run to the report. To be read only; `finished` is a copy to change."""
    made = make_world(tmp_path_factory.mktemp("whole") / 'it\'s a "world"', rounds=2)
    ended = made.run()
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (made.root / "said.txt").write_text(ended.stdout, encoding="utf-8")
    return made


@pytest.fixture
def finished(whole: World, tmp_path: Path) -> Iterator[World]:
    """A copy of the finished run; its tools' starts are counted from here on."""
    made = copy_world(whole, tmp_path / "world")
    made.forget()
    yield made
    made.end_all()


@pytest.fixture
def fault_server(tmp_path: Path) -> Iterator[FaultServer]:
    """A teacher of this test alone, without faults until `plan` says some."""
    with FaultServer(tmp_path / "fault-server") as server:
        yield server


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with a live teacher whose corpora are made. To be read and copied only."""
    folder = tmp_path_factory.mktemp("built")
    with FaultServer(folder / "server") as server:
        made = make_live_world(folder / "world", server.url)
        ended = build(made)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return made


@pytest.fixture
def unasked(built: World, tmp_path: Path, fault_server: FaultServer) -> Iterator[World]:
    """A copy of it without what the live teacher said and what was made of that: her turn is next."""
    world = copy_world(built, tmp_path / "world")
    place(world, endpoint=fault_server.url)
    forget_anna(world)
    yield world
    world.end_all()


@pytest.fixture(scope="session")
def student_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's student as llama.cpp reads it."""
    pytest.importorskip("gguf", reason="package gguf writes the model that llama.cpp serves")
    from student_gguf import write_gguf

    student = Path(__file__).parents[1] / "recipes" / "quickstart" / "student"
    return write_gguf(student, tmp_path_factory.mktemp("gguf") / "student.gguf")


@pytest.fixture(scope="session")
def llama_teacher(student_gguf: Path) -> Iterator[LlamaServer]:
    """The quickstart's student as a live teacher, four requests at a time; its thoughts stand in `content`."""
    pytest.importorskip("xllamacpp", reason="package xllamacpp is the server")
    from student_gguf import THINKING

    log = student_gguf.with_name("llama.log")
    with LlamaServer(student_gguf, slots=4, log=log, default_template_kwargs=THINKING) as server:
        yield server
