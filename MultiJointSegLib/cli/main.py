"""Entry of the command line: parse, run one command, turn every error into one sentence and an exit code."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from MultiJointSegLib.cli.parser import build_parser
from MultiJointSegLib.cli.terminal import Terminal, stray_output_to_stderr
from MultiJointSegLib.errors import CancelledError, MultiJointSegError

FAILED = 1
CANCELLED = CancelledError.exit_code


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    """Context in which a request to terminate ends the command as Ctrl-C does, so that it cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: argparse.Namespace, terminal: Terminal) -> None:
    module = importlib.import_module(f"MultiJointSegLib.cli.{arguments.command}_command")
    with stray_output_to_stderr():
        outcome = module.run(arguments, terminal)
    terminal.show(outcome.lines, outcome.data)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process if None.

    Returns
    -------
    int
        0 done, 1 failed, 2 bad input or arguments, 3 refused, 130 cancelled.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    terminal = Terminal(as_json="--json" in given, events="--progress-json" in given)
    debug = "--debug" in given
    try:
        with _terminate_like_interrupt():
            arguments = build_parser().parse_args(given)
            terminal = Terminal(quiet=arguments.quiet, as_json=arguments.json, events=arguments.progress_json)
            _run(arguments, terminal)
    except SystemExit as finished:  # --help and --version
        return int(finished.code or 0)
    except KeyboardInterrupt:
        return _fail(terminal, "Cancelled: nothing was written.", CANCELLED, debug)
    except MultiJointSegError as error:
        return _fail(terminal, str(error), error.exit_code, debug)
    except MemoryError:
        return _fail(terminal, "The memory is not enough for this examination; close other programs.", FAILED, debug)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        sys.stderr.close()
        return FAILED
    except OSError as error:
        return _fail(terminal, f"A file could not be read or written ({error}).", FAILED, debug)
    except Exception as error:
        sentence = f"An unexpected error stopped the program ({type(error).__name__}: {error}); --debug shows where."
        return _fail(terminal, sentence, FAILED, debug)
    return 0


def _fail(terminal: Terminal, sentence: str, exit_code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    terminal.fail(sentence, exit_code)
    return exit_code
