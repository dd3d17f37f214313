"""What the user chooses. Plain Python: in Slicer a parameter node holds these values in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from MultiJointSegSlicer.strings import tr as _


class JointOption(Enum):
    """Which joint the volume shows. The value is the command line's; hips in CT have a command of their own."""

    AUTOMATIC = "auto"
    ANKLE = "ankle"
    KNEE = "knee"
    SHOULDER = "shoulder"
    HIP_CT = "hip_ct"

    @property
    def annotated(self) -> bool:
        """Whether classical algorithms label the bones, and not the network."""
        return self is JointOption.HIP_CT

    def label(self) -> str:
        """Text of the choice."""
        if self is JointOption.HIP_CT:
            return _("Hip, from CT (graph cuts, no network)")
        return _("Automatic") if self is JointOption.AUTOMATIC else _(self.value.capitalize())


class DeviceOption(Enum):
    """Where to compute. The value is the command line's."""

    AUTOMATIC = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """Text of the choice."""
        return {
            DeviceOption.AUTOMATIC: _("Automatic"),
            DeviceOption.CPU: _("CPU"),
            DeviceOption.CUDA: _("NVIDIA GPU (CUDA)"),
            DeviceOption.MPS: _("Apple GPU (MPS)"),
        }[self]


class EarlierOption(Enum):
    """What becomes of earlier results of the same volume."""

    KEEP = "keep"
    REPLACE = "replace"

    def label(self) -> str:
        """Text of the choice."""
        return _("Keep, add the new one") if self is EarlierOption.KEEP else _("Replace, edits included")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The choices for one run.

    Parameters
    ----------
    joint, device, earlier
        See the options.
    model
        Folder of a model bundle, "" for the shipped model.
    outline
        File of the parent organ's outline on the volume's grid, for a model that reads one; "" for none.
    """

    joint: JointOption = JointOption.AUTOMATIC
    device: DeviceOption = DeviceOption.AUTOMATIC
    earlier: EarlierOption = EarlierOption.KEEP
    model: str = ""
    outline: str = ""

    def arguments(self, source: Path, output: Path) -> list[str]:
        """Arguments of the command line that segments a file."""
        if self.joint.annotated:
            return ["annotate", "hip", str(source), "-o", str(output), "--no-scene", "--progress-json"]
        model = ["--model", self.model] if self.model.strip() else []
        outline = ["--mask", self.outline] if self.outline.strip() else []
        chosen = ["--joint", self.joint.value, "--device", self.device.value, *model, *outline]
        return ["segment", str(source), "-o", str(output), *chosen, "--no-scene", "--progress-json"]

    def batch_arguments(self, source: str, output: str) -> list[str]:
        """Arguments of the command line that segments all examinations of a folder."""
        model = ["--model", self.model] if self.model.strip() else []
        chosen = ["--joint", self.joint.value, "--device", self.device.value, *model]
        return ["cohort", source, "-o", output, *chosen, "--progress-json"]
