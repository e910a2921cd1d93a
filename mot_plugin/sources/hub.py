"""One file of a data set on the hub, and the commit it is of."""

from pathlib import Path

from mot_plugin.errors import MissingInput


def fetch(hub: str, file: str, into: Path | None = None) -> tuple[Path, str]:
    """Path of `file` of the data set `hub` ("org/name" or "org/name@revision"), and the 40 digits of its commit.

    `into` is the hub cache to look in and to fill, None for the usual one; what is there is not fetched again.
    Raises MissingInput when there is no such data set, revision or file, or no network.
    """
    import httpx
    import huggingface_hub

    name, _, revision = hub.partition("@")
    try:
        path = Path(
            huggingface_hub.hf_hub_download(
                name, file, repo_type="dataset", revision=revision or None, cache_dir=into, library_name="mot-plugin"
            )
        )
    except (OSError, ValueError, httpx.HTTPError) as error:
        cause = str(error).strip().partition("\n")[0]
        at = f" --revision {revision}" if revision else ""
        raise MissingInput(
            f"{file} of the data set {hub} is not to be had from the hub\n"
            f"  {type(error).__name__}: {cause}\n"
            "  either name a local file with the same rows instead of the hub's\n"
            f"  or fetch it where there is a network: hf download --repo-type dataset {name} {file}{at}\n"
            "  (HF_ENDPOINT names another hub server, HF_HOME the folder of the cache)"
        ) from None
    return path, path.parts[path.parts.index("snapshots", len(path.parts) - len(Path(file).parts) - 2) + 1]
