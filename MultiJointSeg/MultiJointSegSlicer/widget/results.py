"""The result of a volume, as tables: confidence, slices to look at, measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from MultiJointSegSlicer.job.signal import Signal
from MultiJointSegSlicer.measurements_view import COLUMNS, MeasurementRow, measurement_rows, measurements_csv
from MultiJointSegSlicer.review import REVIEW_ATTRIBUTE, DoubtfulSlice, Review
from MultiJointSegSlicer.review_queue.open_case import CASE_ATTRIBUTE
from MultiJointSegSlicer.strings import tr as _
from MultiJointSegSlicer.widget.tables import fill_table, table_text
from MultiJointSegSlicer.widget.tools import Tools

if TYPE_CHECKING:
    from MultiJointSegSlicer.scene.nodes import SceneNodes


class ResultTables:
    """Shows what the scene holds of a volume's result; keeps nothing that the scene does not hold.

    Parameters
    ----------
    ui
        Holds the widgets by name.
    scene
        vtkMRMLScene.
    tools
        See `Tools`.
    """

    def __init__(self, ui: Any, scene: Any, tools: Tools) -> None:
        self.ui = ui
        self._scene = scene
        self._tools = tools
        self.nodes: SceneNodes | None = None
        self._slices: tuple[DoubtfulSlice, ...] = ()
        self._rows: list[MeasurementRow] = []
        self._bones: tuple[str, ...] = ()
        self._shown: tuple[str, ...] | None = None
        self.review: Review | None = None
        self.bone_chosen = Signal()
        ui.boneTable.cellClicked.connect(self._on_bone_clicked)
        ui.sliceTable.cellClicked.connect(self._on_slice_clicked)
        ui.measurementTable.cellClicked.connect(self._on_measurement_clicked)
        ui.copyMeasurementsButton.clicked.connect(lambda *_: self._copy())
        ui.saveMeasurementsButton.clicked.connect(lambda *_: self._save())
        ui.geometryCheckBox.clicked.connect(lambda *_: self._show_geometry())
        ui.uncertaintyCheckBox.clicked.connect(lambda *_: self._show_uncertainty())

    def show(self, volume_node: Any, *, again: bool = False) -> None:
        """Show the result of a volume, or that there is none; `again` also where its numbers may have changed."""
        from MultiJointSegSlicer.library import put_library_on_path

        put_library_on_path()
        from MultiJointSegSlicer.scene.nodes import find_results
        from MultiJointSegSlicer.scene.overlay import is_shown

        self.nodes = None if volume_node is None else find_results(self._scene, volume_node)
        segmentation, table = (None, None) if self.nodes is None else (self.nodes.segmentation, self.nodes.table)
        shown = tuple("" if node is None else node.GetID() for node in (segmentation, table))
        # Tables are filled anew only when the result is another one, so that the selection stays.
        if shown != self._shown:
            self._shown = shown
            self._show_review(segmentation)
            self._show_measurements(table)
            self.ui.resultCollapsibleButton.collapsed = segmentation is None
            self.ui.measurementCollapsibleButton.collapsed = table is None
        elif again:
            self._show_measurements(table)
        uncertainty = None if self.nodes is None else self.nodes.uncertainty
        self.ui.uncertaintyCheckBox.enabled = uncertainty is not None
        self.ui.uncertaintyCheckBox.checked = uncertainty is not None and is_shown(self._scene, uncertainty)
        markups = () if self.nodes is None else self.nodes.markups
        self.ui.geometryCheckBox.enabled = bool(markups)
        self.ui.geometryCheckBox.checked = any(_is_visible(node) for node in markups)

    def _show_review(self, segmentation: Any) -> None:
        from MultiJointSegLib import anatomy

        text = None if segmentation is None else segmentation.GetAttribute(REVIEW_ATTRIBUTE)
        review = Review.from_json(text)
        self.ui.summaryLabel.text = _summary(review, segmentation)
        for widget in (self.ui.boneTable, self.ui.sliceLabel, self.ui.sliceTable, self.ui.uncertaintyCheckBox):
            widget.visible = review is not None or segmentation is None
        self.review = review
        self._slices = () if review is None else review.slices
        confidence = {} if review is None else review.bone_confidence
        self._bones = tuple(confidence)
        fill_table(
            self.ui.boneTable,
            self._tools,
            [
                (anatomy.bone(key).name, f"{value:.2f}" if value > 0 else _("not found"))
                for key, value in confidence.items()
            ],
        )
        fill_table(
            self.ui.sliceTable,
            self._tools,
            [(anatomy.bone(each.bone).name, str(each.number), f"{each.doubt:.2f}") for each in self._slices],
        )

    def _show_measurements(self, table: Any) -> None:
        self._rows = [] if table is None else measurement_rows(table)
        rows = [row.cells for row in self._rows]
        fill_table(self.ui.measurementTable, self._tools, rows, [row.tip for row in self._rows])
        self.ui.copyMeasurementsButton.enabled = bool(rows)
        self.ui.saveMeasurementsButton.enabled = bool(rows)

    def show_moved(self) -> None:
        """Show the numbers that follow from markups that were moved."""
        if self.nodes is not None:
            self._show_measurements(self.nodes.table)

    def _on_bone_clicked(self, row: int, _column: int) -> None:
        if row < len(self._bones):
            self.bone_chosen.emit(self._bones[row])

    def _on_slice_clicked(self, row: int, _column: int) -> None:
        if self.nodes is None or row >= len(self._slices):
            return
        from MultiJointSegSlicer.scene.views import jump_to

        self.bone_chosen.emit(self._slices[row].bone)
        jump_to(self._scene, self.nodes.volume, self._slices[row].position_ras_mm)

    def _on_measurement_clicked(self, row: int, _column: int) -> None:
        """Show the geometry of one measurement alone; one without geometry changes nothing."""
        if self.nodes is None or self.nodes.table is None or row >= len(self._rows):
            return
        from MultiJointSegSlicer.scene.moving import measurements_shown_by

        key = self.nodes.table.GetTable().GetValueByName(row, "Key").ToString()
        shown = [node for node in self.nodes.markups if key in measurements_shown_by(node)]
        if not shown:
            return
        for node in self.nodes.markups:
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(node in shown)
        self.ui.geometryCheckBox.checked = True

    def _copy(self) -> None:
        self._tools.copy_text(table_text(COLUMNS, [row.cells for row in self._rows]))

    def _save(self) -> None:
        if self.nodes is None or self.nodes.table is None:
            return
        name = f"{self.nodes.table.GetName()}.csv"
        path = self._tools.choose_file(_("Save the measurements"), name, "CSV (*.csv)")
        if not path:
            return
        try:
            with open(path, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - a path as Qt gives it
                file.write(measurements_csv(self.nodes.table))
        except OSError as error:
            sentence = _("'{path}' cannot be written ({reason}); choose another folder.")
            self._tools.show_error(sentence.format(path=path, reason=error.strerror or error))

    def _show_uncertainty(self) -> None:
        from MultiJointSegSlicer.scene.overlay import show_overlay

        if self.nodes is not None and self.nodes.uncertainty is not None:
            visible = bool(self.ui.uncertaintyCheckBox.checked)
            show_overlay(self._scene, self.nodes.uncertainty, visible=visible)

    def _show_geometry(self) -> None:
        visible = bool(self.ui.geometryCheckBox.checked)
        for node in () if self.nodes is None else self.nodes.markups:
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(visible)


def _is_visible(node: Any) -> bool:
    display = node.GetDisplayNode()
    return display is not None and bool(display.GetVisibility())


def _summary(review: Review | None, segmentation: Any) -> str:
    from MultiJointSegLib import anatomy

    if segmentation is None:
        return _("No result yet.")
    if review is None:
        case = segmentation.GetAttribute(CASE_ATTRIBUTE)
        if case is not None:
            return _("Labels of '{name}'; mend them here and decide in Review queue.").format(name=case)
        return _("The segmentation holds no review.")
    joint = anatomy.joint(review.joint).name
    if review.joint_given:
        how = _("as told")
    else:
        how = _("recognized with a confidence of {percent:.0f} %").format(percent=100 * review.joint_confidence)
    computed = _("{seconds:.0f} s on {device}.").format(seconds=review.seconds, device=review.device)
    lines = [f"{joint} ({how}). {computed}", *(_("Note: ") + warning for warning in review.warnings)]
    return "\n".join(lines)
