"""The tutorial: its headings are the steps that run inside Slicer, its pictures and links are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SELF_TEST = "MultiJointSeg/MultiJointSegSlicer/selftests/tutorial.py"


@pytest.fixture
def text(repository: Path) -> str:
    return (repository / "Resources" / "Tutorial" / "README.md").read_text(encoding="utf-8")


def test_every_numbered_step_is_followed_in_the_application(text: str, repository: Path) -> None:
    tree = ast.parse((repository / SELF_TEST).read_text(encoding="utf-8"))
    steps = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "STEPS"
    )
    assert [heading for heading, _ in steps] == re.findall(r"^## (\d+\. .+)$", text, re.MULTILINE)
    methods = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {name for _, name in steps} <= methods


def test_pictures_are_there_and_are_taken_by_the_steps(text: str, repository: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((repository / "Resources" / "Tutorial" / link).exists() for link in links), links
    taken = set(re.findall(r'picture\("(\w+)"', (repository / SELF_TEST).read_text(encoding="utf-8")))
    shown = {Path(link).stem for link in links if link.endswith(".png")}
    assert shown == taken


def test_bold_words_are_on_the_form(text: str, repository: Path) -> None:
    form = (repository / "MultiJointSeg" / "Resources" / "UI" / "MultiJointSeg.ui").read_text(encoding="utf-8")
    code = (repository / "MultiJointSeg" / "MultiJointSegSlicer" / "parameters.py").read_text(encoding="utf-8")
    menus = {"Segmentation > MultiJointSeg"}
    words = set(re.findall(r"\*\*([^*]+)\*\*", text)) - menus
    missing = {word for word in words if word.rstrip(".") not in form and word not in code}
    assert not missing


def test_configuration_is_one_that_refine_takes(text: str, tmp_path: Path) -> None:
    from MultiJointSegLib.annotation.refinement.config import read_refine_config

    path = tmp_path / "refine.toml"
    path.write_text(re.search(r"```toml\n(.+?)```", text, re.DOTALL)[1])
    config = read_refine_config(path)
    assert (config.refine.folds, config.refine.budget) == (3, 5)
    assert str(config.learning.data.manifest) == "dataset.json"
