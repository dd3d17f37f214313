"""The bone's measures as a plugin of Slicer's module Segment Statistics. Loaded only inside the application."""

# ruff: noqa: N802, N803, ANN001 - the names are Slicer's
from __future__ import annotations

import logging
from typing import Any

import slicer
from SegmentStatisticsPlugins import SegmentStatisticsPluginBase

from MultiJointSegSlicer.library import put_library_on_path
from MultiJointSegSlicer.strings import tr as _

put_library_on_path()


class MultiJointSegSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
    """Volume, area and principal lengths of segments that are bones, on their smooth surfaces.

    Its own parameter says whether surfaces that were measured already are taken; see `scene.statistics`.
    """

    SURFACE_PARAMETER = "MultiJointSegSegmentStatisticsPlugin.measuredSurfaces"

    def __init__(self) -> None:
        from MultiJointSegSlicer.scene.statistics import BONE_STATISTICS

        super().__init__()
        self.name = "MultiJointSeg bone"
        self.title = _("Bone (MultiJointSeg)")
        self._statistics = {each.key: each for each in BONE_STATISTICS}
        self.keys = list(self._statistics)
        self.defaultKeys = list(self.keys)
        self.surfaceCheckbox: Any = None

    def setDefaultParameters(self, parameterNode, overwriteExisting: bool = False) -> None:
        """Calculate everything by default, on measured surfaces where there are any."""
        super().setDefaultParameters(parameterNode, overwriteExisting)
        if overwriteExisting or not parameterNode.GetParameter(self.SURFACE_PARAMETER):
            parameterNode.SetParameter(self.SURFACE_PARAMETER, str(True))

    def computeStatistics(self, segmentID: str) -> dict[str, float]:
        """Measure a segment; empty for one that is no bone."""
        from MultiJointSegLib.errors import InputError
        from MultiJointSegSlicer.scene.statistics import bone_statistics

        wanted = self.getRequestedKeys()
        parameters = self.getParameterNode()
        node = slicer.mrmlScene.GetNodeByID(parameters.GetParameter("Segmentation"))
        if not wanted or node is None:
            return {}
        measured = parameters.GetParameter(self.SURFACE_PARAMETER) != "False"
        try:
            found = bone_statistics(slicer.mrmlScene, node, segmentID, measured_surfaces=measured)
        except InputError as error:
            logging.warning(str(error))
            return {}
        return {key: found[key] for key in wanted if key in found}

    def getMeasurementInfo(self, key: str) -> dict[str, Any] | None:
        """Name, description, unit and, where there is one, code of a measure."""
        each = self._statistics.get(key)
        if each is None:
            return None
        codes = {}
        if key == "volume":
            codes["quantityDicomCode"] = self.createCodedEntry("118565006", "SCT", "Volume", True)
        unit = {"mm3": "cubic millimeter", "mm2": "square millimeter", "mm": "millimeter"}[each.unit]
        return self.createMeasurementInfo(
            name=each.name,
            title=_(each.name),
            description=_(each.description),
            units=each.unit,
            unitsDicomCode=self.createCodedEntry(each.unit, "UCUM", unit, True),
            **codes,
        )

    def createDefaultOptionsWidget(self) -> None:
        """Add our own choice to the check boxes of the measures."""
        import qt

        super().createDefaultOptionsWidget()
        self.surfaceCheckbox = qt.QCheckBox(_("Use measured surfaces where masks were not edited"), self.optionsWidget)
        self.surfaceCheckbox.setToolTip(
            _("They are made from the network's probabilities; otherwise surfaces are made from the masks.")
        )
        self.optionsWidget.layout().addRow(self.surfaceCheckbox)
        self.surfaceCheckbox.clicked.connect(lambda *_ignored: self.updateParameterNodeFromGui())

    def updateGuiFromParameterNode(self, caller=None, event=None) -> None:
        """Show the parameters."""
        super().updateGuiFromParameterNode(caller, event)
        if self.parameterNode and self.surfaceCheckbox is not None:
            self.surfaceCheckbox.checked = self.parameterNode.GetParameter(self.SURFACE_PARAMETER) != "False"

    def updateParameterNodeFromGui(self, *_ignored: object) -> None:
        """Keep what was clicked."""
        super().updateParameterNodeFromGui()
        if self.parameterNode and self.surfaceCheckbox is not None:
            self.parameterNode.SetParameter(self.SURFACE_PARAMETER, str(bool(self.surfaceCheckbox.checked)))


def register() -> None:
    """Make the plugin known to Segment Statistics; once, also when the module is reloaded."""
    from SegmentStatistics import SegmentStatisticsLogic

    name = MultiJointSegSegmentStatisticsPlugin.__name__
    registered = SegmentStatisticsLogic.registeredPlugins
    registered[:] = [each for each in registered if each.__name__ != name]
    SegmentStatisticsLogic.registerPlugin(MultiJointSegSegmentStatisticsPlugin())
