"""The real heart examination: names from geometry, lines against an independent projection."""

import importlib.util
from pathlib import Path

import pytest

from MultiJointSegLib.learning.pretext.heart_views import heart_views
from MultiJointSegLib.learning.pretext.study_reading import read_study

SCRIPT = Path(__file__).resolve().parents[2] / "Benchmarks" / "plane_geometry.py"


@pytest.fixture(scope="module")
def heart(shared_data: Path) -> Path:
    folder = shared_data / "heart_mr" / "biv_me_patient1"
    if not folder.is_dir():
        pytest.skip("The heart examination is not in the shared data.")
    return folder


def test_views_where_descriptions_lie(heart: Path) -> None:
    names = heart_views(read_study(heart))
    assert names == {
        "7001+8001+9001+10001+11001+12001": "short axis",
        "14001": "four-chamber",
        "16001": "three-chamber",  # described as 4CH
        "17001": "two-chamber",
        "19001": "right ventricle, two-chamber",  # described as 2CH
        "22001": "right ventricle, outflow tract",
    }


def test_lines_agree_with_an_independent_projection(heart: Path) -> None:
    spec = importlib.util.spec_from_file_location("plane_geometry", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    table = script.check(heart, None)
    assert len(table["pairs"]) == 28
    assert table["largest_distance_px"] < 1e-3
    assert table["largest_angle_deg"] < 1e-3
    at_line, *aside = table["mean_correlation_by_shift"]
    assert at_line > 0.8 and at_line > max(aside)


def test_no_names_without_a_short_axis_stack(a_study) -> None:
    a_study.series(1, (0, 1, 0, 0, 0, -1), (0, 3, 6))
    assert heart_views(read_study(a_study.folder)) == {}
