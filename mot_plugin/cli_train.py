"""`mot-plugin train`: LLaMA-Factory's `train` with a probe loss, machine-readable progress and a stop at the first NaN."""

from typing import Annotated

import typer

from mot_plugin.errors import FileError, MissingTool

SETTINGS = {"ignore_unknown_options": True}
"""LLaMA-Factory's own options are handed on."""


def train(
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="CONFIG", help="A YAML file and KEY=VALUE ..., as `llamafactory-cli train` takes them"),
    ],
    probe: Annotated[
        list[str] | None,
        typer.Option(metavar="CORPUS", help="Evaluate the loss on this file, corpus folder or data set; several times"),
    ] = None,
    every: Annotated[int, typer.Option(metavar="N", min=1, help="So often, in optimizer steps")] = 10,
    probe_only: Annotated[bool, typer.Option("--probe-only", help="Measure the start, and train nothing")] = False,
    progress: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Progress as JSON lines; progress.jsonl in output_dir if not given"),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="A checkpoint with the optimizer so often; the newest stays, to go on from"
        ),
    ] = None,
) -> None:
    """Train as `llamafactory-cli train CONFIG.yaml [key=value ...]` does, weights and all, with our callbacks.

    Also below torchrun: FORCE_TORCHRUN, NPROC_PER_NODE, NNODES and the like mean what they mean there.
    """
    if probe_only and not probe:
        raise FileError("--probe-only measures a probe corpus: name one with --probe")
    try:
        from mot_plugin.training.launch import launch
        from mot_plugin.training.options import Options

        launch(Options(tuple(probe or ()), every, probe_only, progress, checkpoint_every), arguments)
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"training needs the package {error.name}, which this Python lacks: pip install 'mot-plugin[train]'"
        ) from None
