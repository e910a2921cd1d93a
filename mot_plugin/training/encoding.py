"""Rows of a probe corpus as LLaMA-Factory would train on them: its own readers, template and cuts, so that losses compare."""

import contextlib
import copy
import io
import json
import tempfile
from pathlib import Path
from typing import Any

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments, ModelArguments
from llamafactory.hparams.parser import read_args
from transformers import HfArgumentParser

from mot_plugin.errors import CheckFailed
from mot_plugin.training import corpora
from mot_plugin.training.loss import Row, tokens

Settings = dict[str, Any] | list[str] | None
"""What `run_exp` takes: the YAML as a dictionary, a command line, or None for the command line of this process."""

_AS_IT_IS = {
    "eval_dataset": None,
    "val_size": 0.0,
    "tokenized_path": None,
    "max_samples": None,
    "packing": False,
    "neat_packing": False,
    "streaming": False,
    "interleave_probs": None,
    "mix_strategy": "concat",
    "preprocessing_num_workers": None,
}
"""What a training may do to its own rows and must not do to a probe corpus: draw, mix, pack or read others instead."""


def encode(wanted: str, settings: Settings, tokenizer: Any, training_args: Any) -> tuple[str, list[Row]]:
    """(name, rows) of a corpus; every process of a training calls this. Raises MissingInput, FileError, CheckFailed."""
    model_args, data_args = _arguments(settings)
    corpus = corpora.find(wanted, str(data_args.dataset_dir))
    data_args.cutoff_len += 1 if data_args.packing else 0  # packing took it away
    with tempfile.TemporaryDirectory() as empty:
        folder = corpus.folder or empty
        if corpus.info is not None:
            (Path(folder) / corpora.INFO).write_text(corpus.info, encoding="utf-8")
        for name, value in {**_AS_IT_IS, "dataset": [corpus.name], "dataset_dir": folder}.items():
            setattr(data_args, name, value)
        data_args.media_dir = folder
        own = copy.deepcopy(tokenizer)  # what a template adds to it, it has added to the trainer's
        template = get_template_and_fix_tokenizer(own, data_args)
        with contextlib.redirect_stdout(io.StringIO()):  # "training example:", which this is not
            found = get_dataset(template, model_args, data_args, training_args, stage="sft", tokenizer=own)
        rows = [dict(row) for row in found["train_dataset"]]
        _complete(corpus, folder, len(rows))
    empty_rows = [number for number, row in enumerate(rows, 1) if not tokens(row)]
    if empty_rows:
        raise CheckFailed(
            f"probe corpus {corpus.name}: nothing is left to predict in rows {empty_rows[:5]}: cutoff_len?"
        )
    return corpus.name, rows


def _arguments(settings: Settings) -> tuple[Any, Any]:
    parser = HfArgumentParser([ModelArguments, DataArguments])
    given = read_args(settings)
    if isinstance(given, dict):
        model_args, data_args = parser.parse_dict(given, allow_extra_keys=True)
    else:
        model_args, data_args, _ = parser.parse_args_into_dataclasses(args=given, return_remaining_strings=True)
    return model_args, data_args


def _complete(corpus: corpora.Corpus, folder: str, kept: int) -> None:
    """LLaMA-Factory drops rows that it cannot read, in silence; a probe of fewer rows would be another probe."""
    entry = json.loads((Path(folder) / corpora.INFO).read_text(encoding="utf-8"))[corpus.name]
    file = Path(folder) / str(entry.get("file_name", ""))
    if file.is_file() and file.suffix == ".jsonl":
        written = sum(1 for line in file.read_bytes().split(b"\n") if line.strip())
        if kept != written:
            raise CheckFailed(f"probe corpus {file}: LLaMA-Factory reads {kept} of its {written} rows; mend the others")
