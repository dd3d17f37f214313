"""A person exports a result: real Qt, a real scene, real child processes."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


@pytest.fixture
def a_result(a_panel):
    a_panel.ui.segmentButton.click()
    a_panel.work_until_idle()
    assert a_panel.job.state.value == "finished", a_panel.job.sentence
    a_panel.ui.exportCollapsibleButton.collapsed = False
    return a_panel


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def export(panel) -> None:
    panel.ui.exportButton.click()
    panel.work_until_exported()


def test_export_writes_a_folder_and_never_over_another(a_result, tmp_path) -> None:
    from MultiJointSegSlicer.scene import read_segmentation

    ui = a_result.ui
    ui.surfaceFormatComboBox.setCurrentText("PLY")
    ui.reportCheckBox.setChecked(False)
    a_result.folder = str(tmp_path)
    export(a_result)
    export(a_result)
    expected = {"femur.ply", "tibia.ply", "measurements.csv", "segmentation.seg.nrrd"}
    for folder in ("Knie_Zoë", "Knie_Zoë_2"):
        assert names(tmp_path / folder) == expected
    assert read_segmentation(tmp_path / "Knie_Zoë" / "segmentation.seg.nrrd").array.any()
    assert str(tmp_path / "Knie_Zoë_2") in ui.exportLabel.text()
    a_result.folder = str(tmp_path / "Knie_Zoë" / "femur.ply")
    export(a_result)
    assert "cannot be written" in ui.exportLabel.text()
    a_result.folder = ""
    ui.exportButton.click()
    assert not a_result.parts.exporting.job.state.busy


def test_report_says_who_accepted_and_all_bones_are_in_one_gltf_file(a_result, tmp_path) -> None:
    ui = a_result.ui
    ui.reviewerLineEdit.setText("Zoë")
    ui.acceptButton.click()
    ui.surfaceFormatComboBox.setCurrentText("GLB")
    a_result.folder = str(tmp_path)
    assert ui.reportCheckBox.isEnabled()
    assert not ui.dicomCheckBox.isEnabled()
    export(a_result)
    a_result.picture("09-exported")
    folder = tmp_path / "Knie_Zoë"
    assert names(folder) == {
        "bones.glb", "measurements.csv", "report.html", "review.txt", "segmentation.seg.nrrd",
    }  # fmt: skip
    assert "Accepted by Zoë on" in (folder / "report.html").read_text(encoding="utf-8")
    content = (folder / "bones.glb").read_bytes()
    assert content[:4] == b"glTF"
    assert b"Femur" in content and b"Tibia" in content


def test_dicom_is_offered_for_volumes_of_the_dicom_database(a_result, tmp_path) -> None:
    import slicer

    a_result.desk.volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    a_result.widget.form.refresh()
    assert not a_result.ui.dicomCheckBox.isEnabled()
    slicer.dicomDatabase.files.update({"1.2.3": "/data/ä.dcm", "1.2.4": "/data/b.dcm"})
    a_result.widget.form.refresh()
    assert a_result.ui.dicomCheckBox.isEnabled()
    assert a_result.ui.dicomReportCheckBox.isEnabled()
    a_result.ui.dicomCheckBox.click()
    a_result.folder = str(tmp_path)
    export(a_result)
    assert "measurements.dcm" not in names(tmp_path / "Knie_Zoë")
    written = (tmp_path / "Knie_Zoë" / "segmentation.dcm").read_text(encoding="utf-8")
    assert [line.rsplit("/", 1)[-1] for line in written.split("\n")] == ["ä.dcm", "b.dcm"]


def test_measurements_go_out_as_a_dicom_structured_report(a_result, tmp_path) -> None:
    import slicer

    ui = a_result.ui
    assert not ui.dicomReportCheckBox.isEnabled()
    a_result.desk.volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    slicer.dicomDatabase.files.update({"1.2.3": "/data/ä.dcm", "1.2.4": "/data/b.dcm"})
    a_result.widget.form.refresh()
    ui.reportCheckBox.setChecked(False)
    ui.dicomReportCheckBox.click()
    a_result.folder = str(tmp_path)
    export(a_result)
    a_result.picture("09-exported-dicom")
    folder = tmp_path / "Knie_Zoë"
    assert {"measurements.dcm"} == {name for name in names(folder) if name.endswith((".dcm", ".html"))}
    assert (folder / "measurements.dcm").read_text(encoding="utf-8").split("\n")[0].endswith("ä.dcm")


def test_dicom_without_its_source_is_a_sentence(a_result, tmp_path) -> None:
    from MultiJointSegSlicer.exporting import ExportChoices

    logic, folder = a_result.parts.exporting, tmp_path / "out"
    folder.mkdir()
    assert not logic.export(a_result.widget.form.results.nodes, folder, ExportChoices(dicom_report=True))
    assert "load the examination through Slicer's DICOM database" in logic.job.sentence
    assert names(folder) == set()


def test_failed_report_leaves_no_folder(a_result, tmp_path) -> None:
    a_result.folder = str(tmp_path / "out")
    (tmp_path / "out").mkdir()
    a_result.behave("refuse", a_result.parts.exporting.job)
    export(a_result)
    assert a_result.ui.exportLabel.text().startswith("Failed: ")
    assert names(tmp_path / "out") == set()


def test_a_very_long_name_is_cut(a_result, tmp_path) -> None:
    a_result.desk.volume.SetName("Ä" * 300)
    a_result.ui.reportCheckBox.setChecked(False)
    a_result.folder = str(tmp_path)
    export(a_result)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("Ä")] == ["Ä" * 80]


def test_masks_beyond_the_volume_are_cut_to_it() -> None:
    from MultiJointSegSlicer.exporting import on_grid

    from MultiJointSegLib.errors import InputError
    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume

    turned = ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    grid = Geometry((5, 4, 3), (1.0, 2.0, 3.0), (7.0, 8.0, 9.0), turned)
    corner = tuple(grid.index_to_point(np.array([-2.0, 1.0, -1.0])))
    larger = Geometry((6, 6, 3), grid.spacing_mm, corner, turned)
    array = np.arange(larger.array_shape[0] * 36, dtype=np.uint8).reshape(larger.array_shape)
    fitted = on_grid(Volume(array, larger), grid)
    assert fitted.geometry == grid
    assert np.array_equal(fitted.array[0:2, 1:4, 0:4], array[1:3, 0:3, 2:6])
    assert np.count_nonzero(fitted.array) == np.count_nonzero(array[1:3, 0:3, 2:6])
    with pytest.raises(InputError, match="another geometry"):
        on_grid(Volume(array, Geometry((6, 6, 3), (1.0, 2.0, 2.0), corner, turned)), grid)
