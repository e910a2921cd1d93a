"""What a page, which people send to each other, leaves out: the values of keys, tokens and passwords."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(not shown)"

_NAME = re.compile(r"(?i)(?:^|[_-])(?:key|token|secret|password|passwd|auth|credentials?)(?:$|[_-])|apikey")
_GIVEN = re.compile(
    r"\b([A-Z0-9_]*(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_[A-Z0-9_]*)?=)('[^']*'|\"[^\"]*\"|\S+)"
)
_USER = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+@")


def text(said: str) -> str:
    """A command or a log without the values that environment variables of such names have, and passwords in addresses."""
    return _USER.sub(r"\1", _GIVEN.sub(rf"\1{HIDDEN}", said))


def data(value: Any, name: str = "") -> Any:
    """The same of nested data: values of keys that are called so. `api_key_env` names a variable and is shown."""
    if isinstance(value, Mapping):
        return {key: data(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [data(inner, name) for inner in value]
    if isinstance(value, str):
        return HIDDEN if value and _NAME.search(name) and not name.endswith("_env") else text(value)
    return value
