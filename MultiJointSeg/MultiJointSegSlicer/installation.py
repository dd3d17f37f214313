"""What the library needs beyond Slicer: found out without importing it, installed after asking once."""

from __future__ import annotations

import importlib.metadata
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from MultiJointSegSlicer.library import MODULE_FOLDER
from MultiJointSegSlicer.strings import tr as _

REQUIREMENTS = MODULE_FOLDER / "Resources" / "requirements.txt"
TORCH_SPECIFIER = ">=2.6,!=2.9.*"
"""Versions of torch that the library works with, as in pyproject.toml."""

BUNDLED = ["numpy", "pillow", "pydicom", "scipy", "SimpleITK", "torch", "vtk"]
"""Never replaced by pip: they come with Slicer, or through the PyTorch extension."""


class InstallationError(Exception):
    """Something is missing and was not installed; the message is for the user."""


class Ensures(Protocol):
    """What is asked of an installer; `installation.Installer` is one."""

    def ensure(self) -> None:
        """Install what is missing; raises `InstallationError`."""


def ensured(installer: Ensures, job: Any) -> bool:
    """Install what is missing before a job starts; where that is not done, the job fails with the reason.

    Parameters
    ----------
    installer
        Asks once.
    job
        A `job.job.Job` that is not busy.
    """
    job.enter_installing()
    try:
        installer.ensure()
    except InstallationError as error:
        job.fail(str(error))
        return False
    return True


class Installer:
    """Installs on the main thread, with Slicer's own means; torch only through the PyTorch extension.

    Parameters
    ----------
    packaging
        The module slicer.packaging.
    torch_logic
        Makes a PyTorchUtilsLogic; raises ImportError where the PyTorch extension is not installed.
    ask
        Shows a question; returns whether the user agrees.
    """

    def __init__(
        self,
        packaging: Any,
        torch_logic: Callable[[], Any],
        ask: Callable[[str], bool],
        *,
        requirements: Path = REQUIREMENTS,
    ) -> None:
        self._packaging = packaging
        self._torch_logic = torch_logic
        self._ask = ask
        self._requirements = requirements

    def missing(self) -> list[Any]:
        """Requirements that are not satisfied, torch first."""
        from packaging.requirements import Requirement

        asked = [Requirement(f"torch{TORCH_SPECIFIER}"), *self._packaging.load_requirements(self._requirements)]
        return [requirement for requirement in asked if not self._packaging.pip_check([requirement])]

    def ensure(self) -> None:
        """Install what is missing after asking once; what an interrupted installation left is installed the next time.

        Raises
        ------
        InstallationError
            If the user declines, or something cannot be installed.
        """
        missing = self.missing()
        if not missing:
            return
        question = _(
            "MultiJointSeg needs Python packages that are not installed yet:\n\n{packages}\n\n"
            "They are downloaded from the Python Package Index and from pytorch.org (up to 3 GB with an NVIDIA GPU, "
            "about 300 MB without). Install them now?"
        ).format(packages="\n".join(map(str, missing)))
        if not self._ask(question):
            raise InstallationError(_("Not installed, so nothing was done. Click again to be asked again."))
        packages = [requirement for requirement in missing if requirement.name != "torch"]
        if len(packages) < len(missing):
            self._install_torch()
        if packages:
            self._install(packages)

    def _install_torch(self) -> None:
        try:
            logic = self._torch_logic()
        except ImportError:
            raise InstallationError(
                _(
                    "The extension PyTorch is needed: install it in the Extensions Manager, restart Slicer, and click "
                    "Segment again."
                )
            ) from None
        try:
            installed_version = importlib.metadata.version("torch")
        except importlib.metadata.PackageNotFoundError:
            installed_version = ""
        if installed_version:
            # A loaded package cannot be replaced while Slicer runs, and other extensions may rely on it.
            raise InstallationError(
                _(
                    "PyTorch {version} is installed, but {specifier} is needed: uninstall it in the module PyTorch "
                    "Utils, restart Slicer, and click Segment again."
                ).format(version=installed_version, specifier=TORCH_SPECIFIER)
            )
        try:
            torch = logic.installTorch(askConfirmation=False, torchVersionRequirement=TORCH_SPECIFIER)
        except Exception as error:
            raise InstallationError(_not_installed("PyTorch", error)) from error
        if torch is None:
            raise InstallationError(_not_installed("PyTorch", None))

    def _install(self, packages: list[Any]) -> None:
        try:
            self._packaging.pip_ensure(
                packages, skip_packages=BUNDLED, prompt_install=False, requester="MultiJointSeg", skip_in_testing=False
            )
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            raise InstallationError(_not_installed(", ".join(map(str, packages)), error)) from error
        still = [each for each in packages if not self._packaging.pip_check([each])]
        if still:
            raise InstallationError(_not_installed(", ".join(map(str, still)), None))


def _not_installed(what: str, error: Exception | None) -> str:
    reason = f" ({error})" if error is not None else ""
    return _(
        "{what} could not be installed{reason}. Check the network connection and the free space, restart Slicer, and "
        "click Segment again: it goes on where it stopped."
    ).format(what=what, reason=reason)
