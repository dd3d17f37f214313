"""What the form asks of the application; tests hand over their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tools:
    """Access to Qt and to the user.

    Parameters
    ----------
    make_item
        Makes a QTableWidgetItem from a text.
    copy_text
        Puts a text on the clipboard.
    choose_file
        Asks for a file to write, given a title, a name and a filter; "" if the user declines.
    choose_folder
        Asks for a folder, given a title; "" if the user declines.
    open_file
        Asks for a file to read, given a title and a filter; "" if the user declines.
    show_error
        Shows a sentence.
    make_editor
        Makes a qMRMLSegmentEditorWidget.
    make_timer
        Makes a QTimer.
    """

    make_item: Callable[[str], Any]
    copy_text: Callable[[str], None]
    choose_file: Callable[[str, str, str], str]
    choose_folder: Callable[[str], str]
    open_file: Callable[[str, str], str]
    show_error: Callable[[str], None]
    make_editor: Callable[[], Any]
    make_timer: Callable[[], Any]
