"""The bone's measures in Segment Statistics, with small stand-ins for Slicer's classes of that module."""

# ruff: noqa: N803, N815, RUF012 - the names are Slicer's

import importlib
import importlib.util
import sys
import types

import pytest

pytestmark = [
    pytest.mark.slicer,
    pytest.mark.skipif(importlib.util.find_spec("slicer") is None, reason="slicer-core is not installed"),
]


class PluginBase:
    """What Slicer's base class does for a plugin, without its widgets."""

    def __init__(self) -> None:
        self.parameterNode = None
        self.optionsWidget = None

    @staticmethod
    def createCodedEntry(value, scheme, meaning, as_string=False):
        return f"({value}, {scheme}, {meaning})"

    @staticmethod
    def createMeasurementInfo(name, title, description, units, **codes):
        return {"name": name, "title": title, "description": description, "units": units, **codes}

    def setDefaultParameters(self, node, overwriteExisting=False) -> None:
        for key in self.keys:
            node.SetParameter(f"{type(self).__name__}.{key}.enabled", str(key in self.defaultKeys))

    def getRequestedKeys(self):
        node, name = self.parameterNode, type(self).__name__
        return [key for key in self.keys if node.GetParameter(f"{name}.{key}.enabled") == "True"]

    def getParameterNode(self):
        return self.parameterNode


class StatisticsLogic:
    registeredPlugins: list[type] = []

    @staticmethod
    def registerPlugin(plugin) -> None:
        assert isinstance(plugin, PluginBase)
        assert not any("." in key for key in plugin.keys)
        StatisticsLogic.registeredPlugins.append(type(plugin))


@pytest.fixture
def built(a_scene, an_examination):
    from MultiJointSegSlicer.scene import build_scene

    return build_scene(a_scene, an_examination.volume, an_examination.content())


@pytest.fixture
def a_plugin(a_scene, built, monkeypatch):
    import slicer

    plugins = types.ModuleType("SegmentStatisticsPlugins")
    plugins.SegmentStatisticsPluginBase = PluginBase
    statistics = types.ModuleType("SegmentStatistics")
    statistics.SegmentStatisticsLogic = StatisticsLogic
    StatisticsLogic.registeredPlugins = []
    monkeypatch.setitem(sys.modules, "SegmentStatisticsPlugins", plugins)
    monkeypatch.setitem(sys.modules, "SegmentStatistics", statistics)
    monkeypatch.setattr(slicer, "mrmlScene", a_scene, raising=False)
    monkeypatch.delitem(sys.modules, "MultiJointSegSlicer.statistics_plugin", raising=False)
    module = importlib.import_module("MultiJointSegSlicer.statistics_plugin")
    module.register()
    module.register()
    (plugin_class,) = StatisticsLogic.registeredPlugins
    plugin = plugin_class()
    plugin.parameterNode = a_scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    plugin.setDefaultParameters(plugin.parameterNode)
    plugin.parameterNode.SetParameter("Segmentation", built.segmentation.GetID())
    yield plugin
    monkeypatch.delitem(sys.modules, "MultiJointSegSlicer.statistics_plugin", raising=False)


def octahedron_volume(radius: float) -> float:
    return 4 / 3 * radius**3


def test_measured_surface_is_taken_until_the_mask_is_edited(a_plugin, built, an_examination) -> None:
    import slicer
    from MultiJointSegSlicer.scene.volumes import image_array

    measured = a_plugin.computeStatistics("femur")
    assert measured["volume"] == pytest.approx(octahedron_volume(5.0), rel=1e-4)
    assert set(measured) == set(a_plugin.keys)
    a_plugin.parameterNode.SetParameter(a_plugin.SURFACE_PARAMETER, "False")
    of_mask = a_plugin.computeStatistics("femur")["volume"]
    assert of_mask > 2 * measured["volume"]
    a_plugin.parameterNode.SetParameter(a_plugin.SURFACE_PARAMETER, "True")
    image = slicer.vtkOrientedImageData()
    built.segmentation.GetBinaryLabelmapRepresentation("femur", image)
    array = image_array(image)
    array[:, :, : array.shape[2] // 2] = 0
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, built.segmentation, "femur")
    edited = a_plugin.computeStatistics("femur")["volume"]
    assert measured["volume"] != pytest.approx(edited)
    assert edited < of_mask


def test_other_segments_empty_bones_and_unwanted_keys_give_nothing(a_plugin, built) -> None:
    segmentation = built.segmentation.GetSegmentation()
    assert a_plugin.computeStatistics("patella") == {}
    segmentation.AddEmptySegment("tumor", "Tumor")
    assert a_plugin.computeStatistics("tumor") == {}
    name = type(a_plugin).__name__
    for key in a_plugin.keys:
        a_plugin.parameterNode.SetParameter(f"{name}.{key}.enabled", str(key == "area"))
    assert set(a_plugin.computeStatistics("tibia")) == {"area"}
    segmentation.AddEmptySegment("another", "femur")
    assert set(a_plugin.computeStatistics("tibia")) == {"area"}


def test_every_key_has_a_name_a_unit_and_a_description(a_plugin) -> None:
    for key in a_plugin.keys:
        info = a_plugin.getMeasurementInfo(key)
        assert info["units"] in ("mm", "mm2", "mm3")
        assert info["name"] and info["description"]
    assert "118565006" in a_plugin.getMeasurementInfo("volume")["quantityDicomCode"]
    assert a_plugin.getMeasurementInfo("unknown") is None
