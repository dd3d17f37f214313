"""A whole training from one configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MultiJointSegLib.learning.config import read_config
from MultiJointSegLib.learning.distributed import joined_processes
from MultiJointSegLib.learning.examination_data import load_split, read_split
from MultiJointSegLib.learning.masks.of_examination import FirstPass
from MultiJointSegLib.learning.scheme_training import TrainedRun, train_scheme
from MultiJointSegLib.networks.processes import process_index, wait_for_all
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress

CACHE_NAME = "cache"
_READING, _LOADING = 0.02, 0.08


@dataclass(frozen=True, slots=True)
class Training:
    """What came of a training: its results, and the examinations that trained and validated."""

    runs: list[TrainedRun]
    train: list[str]
    validation: list[str]


def train_from_file(
    path: Path,
    output: Path,
    *,
    device: str = "cpu",
    cache: Path | None = None,
    first_pass: FirstPass | None = None,
    progress: Progress | None = None,
) -> Training:
    """Read a configuration and its examinations, and train.

    Parameters
    ----------
    path : Path
        Configuration, see `config.read_config`; its paths are relative to its folder.
    output : Path
        Folder of the runs; see `scheme_training.train_scheme`. An interrupted training goes on there.
    device : str
        "cpu", "cuda" or "mps".
    cache : Path, optional
        Folder of the cut examinations; by default what the configuration says, else `CACHE_NAME` in `output`.
    first_pass : callable, optional
        See `masks.of_examination.FirstPass`.
    progress : Progress, optional
        May cancel; what was trained until then is kept.

    Raises
    ------
    InputError
        If the configuration, the manifest or an examination cannot be used.
    CancelledError
        If the user cancelled.
    """
    progress = progress or SilentProgress()
    config = read_config(path)
    folder = path.parent
    with joined_processes(device) as own:
        config, _, split = read_split(config, folder, ProgressSpan(progress, 0.0, _READING))
        if cache is None:
            cache = folder / config.data.cache if config.data.cache else output / CACHE_NAME
        loading = ProgressSpan(progress, _READING, _LOADING)
        if process_index() == 0:
            load_split(config, split, cache, own, loading, first_pass=first_pass)  # fills the cache
        wait_for_all()
        train, validation = load_split(config, split, cache, own, loading, first_pass=first_pass)
        runs = train_scheme(config, train, validation, output, ProgressSpan(progress, _LOADING, 1.0))
    return Training(runs, train.names, [] if validation is None else validation.names)
