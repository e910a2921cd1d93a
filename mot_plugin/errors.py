"""One class of error per remedy, one exit code per class. `cli.main` prints them; nothing else does."""


class MotError(Exception):
    """Something a user can mend. `str()` is the whole message: what failed, where, and what to do."""

    exit_code = 1


class FileError(MotError):
    """A recipe, machine or config file is wrong: mend the file."""

    exit_code = 2


class StepFailed(MotError):
    """A step's command failed, or left something else than it promised: read the log, mend the cause, run again."""

    exit_code = 3


class RunConflict(MotError):
    """Another process holds this run: wait for it or stop it."""

    exit_code = 4


class MissingTool(MotError):
    """A tool that the plan needs cannot be started here: install it or name it in the machine file."""

    exit_code = 5


class MissingInput(MotError):
    """A file that the recipe names is not there (traces, a local student): put it there or mend the path."""

    exit_code = 6


class TooDear(MotError):
    """It would cost more than was allowed: leave something out, or allow more."""

    exit_code = 7


class MirrorFailed(MotError):
    """A finished run could not be copied to its mirror: mend the address or the keys, and copy again."""

    exit_code = 8


class CheckFailed(MotError):
    """A finished command's result is not what was asked (NaN weights, a tensor missing, too few samples).

    Trying the same again gives the same, so a step that ends with this is not retried.
    """

    exit_code = 65
