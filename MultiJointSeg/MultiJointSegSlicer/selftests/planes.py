"""Imaging planes: proposed by the command line, moved by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import slicer

from MultiJointSegSlicer.selftests.base import SelfTest

DIRECTIONS = {
    "sagittal": ((0, 0, 1), (1, 0, 0), (0, -1, 0)),
    "coronal": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "axial": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}
"""Columns of the grid (i, j, k) in LPS."""

PERFECT = """
import sys
from pathlib import Path
import numpy as np
from MultiJointSegLib.cli.main import main
from MultiJointSegLib.learning.pretext import prediction
from MultiJointSegLib.learning.pretext.config import parse_pretrain_config
from MultiJointSegLib.learning.pretext.lines import heat_map
from MultiJointSegLib.learning.pretext.network import PretextNetwork
from MultiJointSegLib.learning.pretext.prepared import CHANNELS
from MultiJointSegLib.learning.pretext.pretrained import save_pretrained
model = Path(sys.argv[sys.argv.index("--model") + 1])
network = PretextNetwork(["shared"], (8, 8, 8, 8, 8))
config = parse_pretrain_config({"data": {"folders": ["x"], "pixel_mm": 1.0}})
learned = {channel: {"line_mm": {"count": 3}} for channel in ("sagittal", "coronal", "axial")}
save_pretrained(network, network.state_dict(), model, {"config": config.model_dump(mode="json"), "errors": learned})
def perfect(_network, series, _domain, indices):
    maps = np.zeros((len(indices), len(CHANNELS), *series.grids[0].shape), np.float32)
    for row, index in enumerate(indices):
        for channel, plane in series.crossing.items():
            maps[row, CHANNELS.index(channel)] = heat_map(series.grids[index], plane, 5.0)
    return maps, np.zeros(len(indices))
prediction.predict_series = perfect
sys.exit(main(sys.argv[1:]))
"""
"""The command line with heat maps as a perfect network would give them: what is tried here is the way to the scene."""


class PlanesTests(SelfTest):
    """From three stacks to three planes."""

    def test_imaging_planes_are_proposed_and_moved(self) -> None:
        """Editable markups where the stacks cross; a refusal of an unlearned network is a sentence."""
        from MultiJointSegLib.imaging.geometry import Geometry
        from MultiJointSegLib.imaging.volume import Volume
        from MultiJointSegSlicer.scene.views import show_in_views
        from MultiJointSegSlicer.scene.volumes import add_volume_node

        for name, direction in DIRECTIONS.items():
            columns = np.array(direction, float)
            corner = -columns @ (np.array([95, 95, 16.0]) / 2 * np.array([1, 1, 5]))
            geometry = Geometry((96, 96, 17), (1, 1, 5), tuple(corner), tuple(map(tuple, columns)))
            k, j, i = np.indices(geometry.array_shape)
            points = geometry.index_to_point(np.stack([i, j, k], axis=-1))
            inside = (points**2 / np.array([30, 35, 42]) ** 2).sum(axis=-1)
            array = (60 + 200 * (inside < 1) + 80 * (inside < 0.3)).astype(np.int16)
            node = add_volume_node(slicer.mrmlScene, Volume(array, geometry, "MR"), name=name)
        widget = self.widget()
        widget.initializeParameterNode()
        ui, logic = widget.ui, widget.logic.parts.prescription
        show_in_views(slicer.mrmlScene, node, None)
        folder = Path(slicer.util.tempDirectory())
        (folder / "model").mkdir()
        ui.planeCollapsibleButton.collapsed = False
        widget._parameterNode.planeModel = str(folder / "model")
        self.click_and_wait(ui.planeButton, logic.job, "failed")
        assert ui.planeLabel.text.startswith("Failed: "), ui.planeLabel.text
        (folder / "perfect.py").write_text(PERFECT)
        command = logic.job._command
        logic.job._command = lambda: [command()[0], str(folder / "perfect.py")]
        try:
            self.click_and_wait(ui.planeButton, logic.job)
        finally:
            logic.job._command = command
        planes = {node.GetAttribute("MultiJointSeg.plane"): node for node in self._planes()}
        assert set(planes) == set(DIRECTIONS)
        for name, axis in (("sagittal", 0), ("coronal", 1), ("axial", 2)):
            assert abs(planes[name].GetNormalWorld()[axis]) > 0.99, name
        assert all(row[3] for row in self.texts(ui.planeTable))
        ui.segmentCollapsibleButton.collapsed = True
        self.picture("planes", show=ui.planeTable)
        planes["axial"].SetOriginWorld(0.0, 0.0, 11.0)
        row = [each[0] for each in self.texts(ui.planeTable)].index("axial")
        ui.planeTable.cellClicked(row, 0)
        assert abs(self.slice_view("Red").GetSliceToRAS().GetElement(2, 3) - 11.0) < 0.5
        ui.segmentCollapsibleButton.collapsed = False

    def _planes(self) -> list:
        return list(slicer.util.getNodesByClass("vtkMRMLMarkupsPlaneNode"))
