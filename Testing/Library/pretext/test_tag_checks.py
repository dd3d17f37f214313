"""Contradictory and missing tags: what is believed is said, and sound studies give no note."""

import pytest

from MultiJointSegLib.learning.pretext.study_reading import read_study
from MultiJointSegLib.learning.pretext.tag_checks import described_side

SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)


def test_consistent_tags_give_no_note(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6), SpacingBetweenSlices=3.05, PatientPosition="HFS", Laterality="R")
    a_study.series(2, SAGITTAL, (0, 3, 6), phases=2, PatientPosition="HFS", SeriesDescription="right knee sag")
    study = read_study(a_study.folder)
    assert study.notes == ()
    assert study.side == "right"


def test_vectors_that_are_not_perpendicular(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, (1, 0, 0, 0.3, 1, 0), (0, 3, 6), PixelSpacing=None)
    (note,) = read_study(a_study.folder).notes
    assert note == (
        "Series 2 was left out: it has no usable orientation (two perpendicular unit vectors) and no usable pixel "
        "spacing."
    )


def test_distance_of_slices_is_that_of_the_positions(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6, 9), SpacingBetweenSlices=4.5)
    study = read_study(a_study.folder)
    assert study.series[0].extent_mm == pytest.approx(9)
    assert study.notes == (
        "Series 1 states 4.50 mm between slices, but its positions lie 3.00 mm apart; the positions are believed.",
    )


def test_slice_locations_that_the_positions_contradict(a_study) -> None:
    for place in (0, 3, 6):
        a_study.series(1, AXIAL, (place,), SliceLocation=10.0 + 2 * place)
    assert "slice locations over 12.0 mm, but its positions span 6.0 mm" in read_study(a_study.folder).notes[0]


def test_images_of_one_place_that_nothing_tells_apart(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, CORONAL, (0, 3, 6), ImagePositionPatient=[0, 0, 0])
    study = read_study(a_study.folder)
    assert len(study.series[1].slices) == 1
    assert "no tag tells apart" in study.notes[0]


def test_side_is_unknown_where_a_description_contradicts_the_tags(a_study) -> None:
    a_study.series(1, SAGITTAL, (0, 3, 6), Laterality="R", SeriesDescription="Knie_links pd")
    study = read_study(a_study.folder)
    assert study.side is None
    assert "'Knie_links pd', but tags say right" in study.notes[0]


@pytest.mark.parametrize(
    ("text", "side"),
    [("LT ankle", "left"), ("rechts", "right"), ("t1_right_sag", "right"), ("bright blood", None), ("l and r", None),
     ("left right", None), ("relief", None)],
)  # fmt: skip
def test_words_for_sides(text: str, side: str | None) -> None:
    assert described_side(text) == side


def test_patients_that_were_turned_and_mixed_modalities(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6), PatientPosition="HFS")
    a_study.series(2, CORONAL, (0, 3, 6), PatientPosition="FFS", Modality="CT")
    notes = " ".join(read_study(a_study.folder).notes)
    assert "different patient positions (FFS, HFS)" in notes
    assert "several modalities (CT, MR)" in notes
