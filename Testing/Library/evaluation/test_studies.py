"""Studies: who trains and tests, what is compared, and a whole tiny one from its file to its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.evaluation.bootstrap import Interval
from MultiJointSegLib.evaluation.statistics import PairedComparison
from MultiJointSegLib.evaluation.studies.cell_run import CELL_RECORD
from MultiJointSegLib.evaluation.studies.config import StudyConfig, read_study
from MultiJointSegLib.evaluation.studies.datasets import list_hip_mr
from MultiJointSegLib.evaluation.studies.design import Cell, cell_config, cells, comparisons, conditions
from MultiJointSegLib.evaluation.studies.run import report_study, run_study
from MultiJointSegLib.evaluation.studies.verdicts import verdicts
from MultiJointSegLib.evaluation.summary import MethodComparison
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.config import parse_strictly
from MultiJointSegLib.learning.manifest import Examination, read_dataset
from MultiJointSegLib.progress import CallbackProgress
from MultiJointSegLib.resources import resource_path

GROWING = {
    "name": "growing",
    "schemes": ["all", "individual"],
    "joints": ["hip", "knee"],
    "scored": ["hip"],
    "manifest": "dataset.json",
    "design": {"kind": "growing", "joint": "hip", "sizes": [1, 2, 4], "tested": 3},
}


def _study(content: dict) -> StudyConfig:
    return parse_strictly(StudyConfig, content, "study")


def _examinations(**counts: int) -> list[Examination]:
    nowhere = Path("nowhere")
    return [
        Examination(name=f"{joint}{n}", image=nowhere, label=nowhere, joint=joint, subject=f"{joint}{n}")
        for joint, count in counts.items()
        for n in range(count)
    ]


def test_the_training_grows_and_the_tested_stay_the_same() -> None:
    examinations = _examinations(hip=9, knee=2)
    found = conditions(_study(GROWING), examinations)
    assert [c.title for c in found] == ["n = 1", "n = 2", "n = 4"]
    assert len({c.test for c in found}) == 1 and len(found[0].test) == 3
    hips = [{name for name in c.train if name.startswith("hip")} for c in found]
    assert [len(h) for h in hips] == [1, 2, 4] and hips[0] < hips[1] < hips[2]
    for condition in found:
        assert not set(condition.train) & set(condition.test)
        assert {"knee0", "knee1"} <= set(condition.train)


def test_rotations_test_others() -> None:
    study = _study({**GROWING, "design": {**GROWING["design"], "rotations": 3}})
    found = conditions(study, _examinations(hip=9, knee=2))
    tested = [c.test for c in found if c.title == "n = 4"]
    assert len(tested) == 3 and len({name for names in tested for name in names}) == 9
    assert all(not set(c.train) & set(c.test) for c in found)
    assert len({c.key for c in found}) == 9
    with pytest.raises(InputError, match="trains on up to 4 others, but there are 6 in all"):
        conditions(study, _examinations(hip=6, knee=2))


def test_folds_test_every_scored_examination_once() -> None:
    content = {**GROWING, "scored": ["hip", "knee"], "design": {"kind": "folds", "folds": 3}}
    found = conditions(_study(content), _examinations(hip=6, knee=6))
    tested = [name for c in found for name in c.test]
    assert len(tested) == len(set(tested)) == 12
    assert all(not set(c.train) & set(c.test) for c in found)


def test_every_scheme_is_compared_with_the_first_under_the_same_condition() -> None:
    study = _study({**GROWING, "schemes": ["all", "individual", "shared"]})
    found = conditions(study, _examinations(hip=9, knee=2))
    pairs = comparisons(study, found)
    assert ("individual, n = 2", "all, n = 2") in pairs and len(pairs) == 6
    assert all(method.rpartition(", ")[2] == reference.rpartition(", ")[2] for method, reference in pairs)
    assert len(cells(study, found)) == 9


def test_networks_of_one_joint_are_trained_for_the_scored_joints_only() -> None:
    study = _study(GROWING)
    condition = conditions(study, _examinations(hip=9, knee=2))[0]
    assert cell_config(study, Cell("individual", condition)).joints == ("hip",)
    assert cell_config(study, Cell("all", condition)).joints == ("hip", "knee")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"shemes": ["all"]}, "no key 'shemes'; the nearest known key is 'schemes'"),
        ({"learning": {"training": {"step": 5}}}, "nearest known key is 'learning.training.steps'"),
        ({"phantoms": {"examination": 5}}, "nearest known key is 'phantoms.examinations'"),
        ({"scored": ["shoulder"]}, "'shoulder' is scored but not among joints, which are hip, knee"),
        ({"manifest": None}, "no examinations"),
        ({"schemes": ["all", "all"]}, "named twice"),
    ],
)
def test_a_wrong_study_is_refused(change: dict, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        _study({**GROWING, **change})
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "name",
    ["scarce_joints", "scarce_joints_real_shapes", "scarce_joints_full", "real_hips", "real_hips_full"],
)
def test_the_studies_that_come_with_it_can_be_planned(name: str) -> None:
    study = read_study(resource_path("Experiments", f"{name}.toml"))
    counts = dict.fromkeys(study.phantoms.joints, study.phantoms.examinations) if study.phantoms else {}
    if study.hip_mr:
        counts["hip"] = study.hip_mr.examinations
    found = conditions(study, _examinations(**counts))
    for cell in cells(study, found):
        assert cell_config(study, cell).scheme == cell.scheme
    assert study.schemes[0] == "all" and {"individual", "transfer_imagenet", "shared"} < set(study.schemes)


@pytest.mark.parametrize("name", ["no_terms", "weak_terms", "bottleneck"])
def test_attempts_change_one_thing_of_their_study(name: str) -> None:
    def plain(*parts: str) -> dict[str, object]:
        study = read_study(resource_path("Experiments", *parts)).model_dump(mode="json")
        learning = study.pop("learning")
        return {key: study[key] for key in ("phantoms", "design", "seed")} | learning

    base, attempt = plain("scarce_joints.toml"), plain("attempts", f"scarce_joints_{name}.toml")
    changed = {key for key in base if base[key] != attempt[key]}
    assert changed and changed <= {"contrast", "prior"}


def test_a_whole_study_that_is_stopped_and_goes_on(a_study_file, tmp_path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="No condition of the study"):
        report_study(a_study_file, out)
    stop = CallbackProgress(lambda *_: None, lambda: len(list(out.glob(f"runs/*/{CELL_RECORD}"))) == 2)
    with pytest.raises(CancelledError):
        run_study(a_study_file, out, progress=stop)
    sofar = report_study(a_study_file, out)  # a table in spite of the stop: of the first fold
    assert len({s.case for s in sofar.scores}) == 1 and {s.method for s in sofar.scores} == {
        "shared_norm",
        "individual",
    }
    assert "Not done, and so not scored: fold2, fold3." in (out / "table.md").read_text()
    done = {path: path.stat().st_mtime_ns for path in out.glob(f"runs/*/{CELL_RECORD}")}
    assert run_study(a_study_file, out, part=(2, 2)) is None
    found = run_study(a_study_file, out)
    assert found is not None and len(done) == 2
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert len(list(out.glob(f"runs/*/{CELL_RECORD}"))) == 6
    assert {s.method for s in found.scores} == {"shared_norm", "individual"}
    assert len({s.case for s in found.scores}) == 3 and found.comparisons[0].reference == "shared_norm"
    numbers = json.loads((out / "evaluation.json").read_text())
    assert numbers["title"] == "Tiny study" and len(numbers["cells"]) == 6
    assert all(set(cell["train"]).isdisjoint(cell["test"]) for cell in numbers["cells"])
    table = (out / "table.md").read_text()
    assert "Not done" not in table
    assert "## Is `shared_norm` better?" in table and "| not shown |" in table  # three subjects cannot show it
    assert "| individual | **all bones** |" in table and "individual − shared_norm" in table
    page = (out / "report.html").read_text()
    assert "Tiny study" in page and "0.25, before any" in page  # three subjects: no p below 2 / 2^3
    changed = a_study_file.with_name("changed.json")
    changed.write_text(a_study_file.read_text().replace('"steps": 1', '"steps": 2'))
    with pytest.raises(InputError, match="another configuration"):
        run_study(changed, out)


@pytest.mark.parametrize(
    ("difference", "p", "word"), [(-0.1, 0.01, "better"), (0.1, 0.01, "worse"), (-0.1, 0.06, "not shown")]
)
def test_what_is_said_of_the_first_scheme(difference: float, p: float, word: str) -> None:
    """The comparison is of the other method minus the reference."""
    interval = Interval(difference, difference, "none")
    result = PairedComparison(18, difference, interval, p / 2, p, 0.5, 1.0)
    (found,) = verdicts([MethodComparison("shared", "all", m, result) for m in ("assd_mm", "dice")])
    assert (found.reference, found.method, found.gain, found.word) == ("all", "shared", -difference, word)


def test_real_hips_become_a_manifest(tmp_path, a_small_knee) -> None:
    image, labels = a_small_knee
    (tmp_path / "hip_mr").mkdir()
    for n in (1, 2):
        write_volume(image, tmp_path / "hip_mr" / f"{n:02d}_img.nii.gz")
        write_volume(labels, tmp_path / "hip_mr" / f"{n:02d}_seg.nii.gz")
    path = list_hip_mr(tmp_path, tmp_path / "out", 2)
    first = read_dataset(path).examinations[0]
    assert dict(first.label_values) == {1: anatomy.bone("femur").label, 2: anatomy.bone("hip_bone").label, 3: 0, 4: 0}
    with pytest.raises(InputError, match="holds 2 examinations, 5 are needed"):
        list_hip_mr(tmp_path, tmp_path / "out", 5)
