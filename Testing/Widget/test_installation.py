"""What is missing is asked for once, installed with Slicer's means, and every refusal is a sentence."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
from MultiJointSegSlicer.installation import BUNDLED, TORCH_SPECIFIER, InstallationError, Installer
from packaging.requirements import Requirement


class FakePackaging:
    """Plays slicer.packaging; `installed` are names of packages."""

    def __init__(self, *installed: str) -> None:
        self.installed = set(installed)
        self.asked_for: list[str] = []
        self.error: Exception | None = None
        self.arguments: dict[str, object] = {}

    def load_requirements(self, path: Path) -> list[Requirement]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Requirement(line) for line in lines if line and not line.startswith("#")]

    def pip_check(self, requirements: list[Requirement]) -> bool:
        return all(requirement.name in self.installed for requirement in requirements)

    def pip_ensure(self, requirements: list[Requirement], **arguments: object) -> None:
        self.arguments = arguments
        self.asked_for = [requirement.name for requirement in requirements]
        if self.error is not None:
            raise self.error
        self.installed.update(self.asked_for)


class FakeTorchLogic:
    def __init__(self, packaging: FakePackaging, answer: object = "torch") -> None:
        self.packaging = packaging
        self.answer = answer
        self.arguments: dict[str, object] = {}

    def installTorch(self, **arguments: object) -> object:
        self.arguments = arguments
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            self.packaging.installed.add("torch")
        return self.answer


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.txt"
    path.write_text("# a comment\npydantic>=2.7\npsutil>=5.9\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def installer(packaging, requirements, torch=None, answer=True):
    questions: list[str] = []

    def ask(question: str) -> bool:
        questions.append(question)
        return answer

    def logic():
        if torch is None:
            raise ModuleNotFoundError("PyTorchUtils")
        return torch

    return Installer(packaging, logic, ask, requirements=requirements), questions


def test_nothing_is_asked_when_nothing_is_missing(requirements) -> None:
    made, questions = installer(FakePackaging("torch", "pydantic", "psutil"), requirements)
    made.ensure()
    assert questions == []


def test_one_question_installs_all(requirements) -> None:
    packaging = FakePackaging("psutil")
    torch = FakeTorchLogic(packaging)
    made, questions = installer(packaging, requirements, torch)
    made.ensure()
    assert len(questions) == 1
    assert "torch" in questions[0]
    assert torch.arguments == {"askConfirmation": False, "torchVersionRequirement": TORCH_SPECIFIER}
    assert packaging.asked_for == ["pydantic"]
    assert packaging.arguments["prompt_install"] is False
    assert packaging.arguments["skip_packages"] == BUNDLED
    made.ensure()
    assert len(questions) == 1


def test_a_no_is_respected(requirements) -> None:
    packaging = FakePackaging()
    made, _ = installer(packaging, requirements, FakeTorchLogic(packaging), answer=False)
    with pytest.raises(InstallationError, match="nothing was done"):
        made.ensure()
    assert packaging.installed == set()


def test_missing_extension_is_named(requirements) -> None:
    made, _ = installer(FakePackaging(), requirements)
    with pytest.raises(InstallationError, match="Extensions Manager"):
        made.ensure()


def test_other_torch_is_not_replaced_while_slicer_runs(requirements, monkeypatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.13.0")
    packaging = FakePackaging("pydantic", "psutil")
    torch = FakeTorchLogic(packaging)
    made, _ = installer(packaging, requirements, torch)
    with pytest.raises(InstallationError, match=r"PyTorch 1\.13\.0 is installed"):
        made.ensure()
    assert torch.arguments == {}


@pytest.mark.parametrize("answer", [None, RuntimeError("no network")])
def test_failed_torch_is_a_sentence(requirements, answer) -> None:
    packaging = FakePackaging()
    made, _ = installer(packaging, requirements, FakeTorchLogic(packaging, answer))
    with pytest.raises(InstallationError, match="PyTorch could not be installed"):
        made.ensure()


def test_an_installation_that_failed_halfway_goes_on_where_it_stopped(requirements) -> None:
    packaging = FakePackaging()
    packaging.error = subprocess.CalledProcessError(1, "pip")
    torch = FakeTorchLogic(packaging)
    made, questions = installer(packaging, requirements, torch)
    with pytest.raises(InstallationError, match=r"could not be installed .*goes on where it stopped"):
        made.ensure()
    packaging.error, torch.arguments = None, {}
    made.ensure()
    assert torch.arguments == {}
    assert "torch" not in questions[1].split("\n\n")[1]


def test_torch_is_the_one_that_the_library_asks_for() -> None:
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f"torch{TORCH_SPECIFIER}" in tomllib.loads(text)["project"]["dependencies"]
