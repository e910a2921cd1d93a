"""Live teachers: their keys, and whether their endpoints answer and know the model. A key is never shown."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator

from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, unknown
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.machine import TeacherPlace
from mot_plugin.recipe.data import Teacher
from mot_plugin.teachers.serve import PORT

SECONDS = 5.0


def check(context: Context) -> Iterator[Finding]:
    """Of teachers that are still to be asked; of a place alone, all that its file names."""
    teachers = context.recipe.teachers if context.recipe else {}
    asked = {step.teacher for step in context.todo if step.kind == "traces"}
    live = {name: teacher for name, teacher in teachers.items() if name in asked}
    if context.ready is None:
        for name, place in context.machine.teachers.items():
            yield from _place(context, name, place, place.model)
        return
    if not live:
        yield ok("teachers", "none is to be asked" if teachers else "none")
    for name, teacher in live.items():
        place = context.machine.teacher(name)
        if place.endpoint is None and place.serve is None and place.server is None:
            said = "it is to be asked, and the machine file does not say where it answers"
            hint = f"write teachers: {{{name}: {{endpoint: http://HOST:PORT/v1}}}} there, or serve: {{}} with GPUs"
            yield error(f"teacher {name}", said, hint, MissingInput)
        else:
            yield from _place(context, name, place, place.model or _model(teacher))


def _model(teacher: Teacher) -> str | None:
    return teacher.model if teacher.model and not teacher.local else None


def _place(context: Context, name: str, place: TeacherPlace, model: str | None) -> Iterator[Finding]:
    what = f"teacher {name}"
    if place.server is not None and not any(PORT in word for word in place.server):
        said = f"its server's command does not say {PORT}: it would answer somewhere else than it is asked"
        yield error(what, said, f'write `--port, "{PORT}"` into teachers.{name}.server', FileError)
        return
    if place.endpoint is None:
        yield ok(
            what,
            "served here for the time of its step"
            if place.serve is not None
            else "a server of its own is started here",
        )
        return
    key = ""
    if place.api_key_env is not None:
        key = context.environ.get(place.api_key_env, "").strip()
        if not key:
            said = f"the environment has no {place.api_key_env}"
            yield error(f"key of {name}", said, f"export {place.api_key_env}=...", MissingInput)
            return
        yield ok(f"key of {name}", f"{place.api_key_env} is set")
    yield _endpoint(what, place.endpoint, key, model)


def _endpoint(what: str, url: str, key: str, model: str | None) -> Finding:
    if not url.startswith(("http://", "https://")):
        return error(what, f"{url} is no web address", "write http://HOST:PORT/v1", FileError)
    try:
        request = urllib.request.Request(f"{url.rstrip('/')}/models")  # noqa: S310  (checked above)
        request.add_header("Authorization", f"Bearer {key or 'none'}")
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310  (checked above)
            said = json.loads(answer.read())
        names = [str(one["id"]) for one in said["data"]]
    except urllib.error.HTTPError as wrong:
        return _refused(what, url, wrong.code)
    except (OSError, ValueError, http.client.HTTPException) as wrong:
        reason = getattr(wrong, "reason", wrong)
        hint = f"start it, or mend the address; see it with: curl {url}/models"
        return error(what, f"{url} does not answer: {reason}", hint, MissingInput)
    except (KeyError, TypeError):
        return unknown(what, f"{url} answers, and /models is no list of models")
    if model is not None and model not in names:
        shown = ", ".join(names[:4]) + (", ..." if names[4:] else "")
        hint = f"write `model: {names[0] if names else 'NAME'}` under this teacher in the machine file"
        return error(what, f"{url} has no model {model!r}, but {shown or 'none'}", hint, FileError)
    return ok(what, f"{url} answers" + (f" and has {model}" if model else ""))


def _refused(what: str, url: str, status: int) -> Finding:
    if status in (401, 403):
        return error(
            what,
            f"{url} does not let us in ({status})",
            "set the right key, and name its variable in api_key_env",
            MissingInput,
        )
    if status in (404, 405, 501):
        return unknown(what, f"{url} answers, and has no list of models ({status})", f"see it with: curl {url}/models")
    return error(what, f"{url} answers with an error ({status})", "see its own log", MissingInput)
