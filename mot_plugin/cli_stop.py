"""The command that ends a run: `stop`."""

from mot_plugin.terminal import RunFolder


def stop(folder: RunFolder) -> None:
    """Stop a run from another shell: its process here, or its jobs in Slurm's queue. Running it again goes on from there."""
    from mot_plugin import halt
    from mot_plugin.folder import Folder

    said = halt.stop(Folder(folder))
    print("\n".join(said) or f"nothing of {folder} is going on")
