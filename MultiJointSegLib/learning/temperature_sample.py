"""What a network says about slices that it was not trained on, kept with a run to fit its temperatures later."""

from __future__ import annotations

from torch import Tensor

from MultiJointSegLib.learning.validation import Validation
from MultiJointSegLib.networks.shared_unet import SharedUNet

SAMPLE_FILE = "temperature_sample.safetensors"
DETECTION = "detection"

_EVERY_PIXEL = 17
"""Every 17th pixel is enough for one temperature."""


def temperature_sample(network: SharedUNet, validation: Validation, *, detection: bool) -> dict[str, Tensor]:
    """Logits and true classes of the detection and of the pixels of each joint.

    Returns
    -------
    dict of str to tensor
        For `DETECTION` (where it was trained) and each joint key: "KEY.logits" float32 (n, classes) and "KEY.classes"
        int64 (n,), on the CPU.
    """
    network.eval()
    sample = {DETECTION: validation.detection_sample(network)} if detection else {}
    sample |= {key: validation.segmentation_sample(network, key, _EVERY_PIXEL) for key in network.joints}
    return {
        f"{key}.{name}": value.cpu().contiguous()
        for key, pair in sample.items()
        for name, value in zip(("logits", "classes"), pair, strict=True)
    }
