"""The exceptions that the library raises on purpose, each with the exit code of the command line."""


class MultiJointSegError(Exception):
    """Base of all errors whose message is meant for the user; exit code 1."""

    exit_code = 1


class InputError(MultiJointSegError):
    """The input or an argument cannot be used: says what, the value, what is accepted, what to do. Exit code 2."""

    exit_code = 2


class BundleError(InputError):
    """A model bundle is missing, incomplete, of another version or altered. Exit code 2."""


class RefusalError(MultiJointSegError):
    """The examination was read, but shows none of the joints the model knows. Exit code 3."""

    exit_code = 3


class CancelledError(MultiJointSegError):
    """The user cancelled. Exit code 130."""

    exit_code = 130
