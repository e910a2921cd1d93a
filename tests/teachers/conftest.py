"""Live teachers: a server that fails as planned, and llama.cpp with the quickstart's student."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_server import FaultServer
from llama_server import LlamaServer
from student_gguf import THINKING, write_gguf

STUDENT = Path(__file__).parents[2] / "recipes" / "quickstart" / "student"


@pytest.fixture
def fault_server(tmp_path: Path) -> Iterator[FaultServer]:
    """A server of this test alone, without faults until `plan` says some."""
    with FaultServer(tmp_path / "fault-server") as server:
        yield server


@pytest.fixture(scope="session")
def student_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart's student as llama.cpp reads it."""
    pytest.importorskip("gguf", reason="package gguf writes the model that llama.cpp serves")
    return write_gguf(STUDENT, tmp_path_factory.mktemp("gguf") / "student.gguf")


@pytest.fixture(scope="session")
def llama_teacher(student_gguf: Path) -> Iterator[LlamaServer]:
    """The quickstart's student as a live teacher, four requests at a time; its thoughts stand in `content`."""
    pytest.importorskip("xllamacpp", reason="package xllamacpp is the server")
    log = student_gguf.with_name("llama.log")
    with LlamaServer(student_gguf, slots=4, log=log, default_template_kwargs=THINKING) as server:
        yield server
