"""Times nnU-Net v2's predictor from image file to label file; run by inference_peers.py in an environment that has it.

The 2-D network follows nnU-Net's plan for such images (seven stages, patch of 256 pixels, instance norm), with the
number of features chosen so that it has about as many parameters as asked for; its weights are random. Each way is
timed with nnU-Net's own processes for reading and export, as its command runs it, and in this process alone. The last
line of the output is a JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import SimpleITK as sitk
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

STAGES = 7
_RESAMPLING = "resample_data_or_seg_to_shape"


def plans(features: int, spacing_mm: list[float], shape: list[int]) -> dict:
    """A plan as nnU-Net's planner writes it; spacing and shape along (k, j, i)."""
    architecture = {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": {
            "n_stages": STAGES,
            "features_per_stage": [min(features * 2**s, 16 * features) for s in range(STAGES)],
            "conv_op": "torch.nn.modules.conv.Conv2d",
            "kernel_sizes": [[3, 3]] * STAGES,
            "strides": [[1, 1]] + [[2, 2]] * (STAGES - 1),
            "n_conv_per_stage": [2] * STAGES,
            "n_conv_per_stage_decoder": [2] * (STAGES - 1),
            "conv_bias": True,
            "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }
    configuration = {
        "data_identifier": "bench_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 12,
        "patch_size": [256, 256],
        "median_image_size_in_voxels": [float(n) for n in shape[1:]],
        "spacing": spacing_mm[1:],
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": _RESAMPLING,
        "resampling_fn_seg": _RESAMPLING,
        "resampling_fn_probabilities": _RESAMPLING,
        "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
        "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
        "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
        "architecture": architecture,
        "batch_dice": True,
    }
    intensities = dict.fromkeys(("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std"), 1.0)
    return {
        "dataset_name": "Dataset999_bench",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": spacing_mm,
        "original_median_shape_after_transp": shape,
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensities},
    }


def build(plan: dict, classes: int) -> torch.nn.Module:
    """The network of a plan, without deep supervision, as for inference."""
    architecture = plan["configurations"]["2d"]["architecture"]
    return get_network_from_plans(
        architecture["network_class_name"],
        architecture["arch_kwargs"],
        architecture["_kw_requires_import"],
        1,
        classes,
        allow_init=True,
        deep_supervision=False,
    )


def count(network: torch.nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in network.parameters())


def main() -> None:
    """Time the predictor; settings as JSON in the first argument."""
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(0)
    image, folder = Path(settings["image"]), Path(settings["folder"])
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(image))
    reader.ReadImageInformation()
    spacing, shape = list(reader.GetSpacing())[::-1], list(reader.GetSize())[::-1]
    classes = 1 + len(settings["bones"])
    sizes = {f: count(build(plans(f, spacing, shape), classes)) for f in range(8, 33, 2)}
    features = min(sizes, key=lambda f: abs(sizes[f] - settings["parameters"]))
    plan = plans(features, spacing, shape)
    network = build(plan, classes)
    labels = {"background": 0} | {bone: n for n, bone in enumerate(settings["bones"], start=1)}
    dataset = {"channel_names": {"0": "MR"}, "labels": labels, "numTraining": 1, "file_ending": ".nii.gz"}
    seconds = {}
    for mirroring in (True, False):
        predictor = nnUNetPredictor(
            use_mirroring=mirroring, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
        )
        manager = PlansManager(plan)
        parts = (network, manager, manager.get_configuration("2d"), [network.state_dict()], dataset, "nnUNetTrainer")
        predictor.manual_initialization(*parts, (0, 1))
        for processes in (True, False):
            ways = (
                "with mirroring" if mirroring else "without mirroring",
                "own processes" if processes else "sequential",
            )
            way = ", ".join(ways)
            seconds[way] = []
            for repeat in range(settings["repeats"]):
                out = [str(folder / f"nnunet-{mirroring}-{processes}-{repeat}")]
                begin = time.perf_counter()
                if processes:
                    predictor.predict_from_files(
                        [[str(image)]], out, num_processes_preprocessing=1, num_processes_segmentation_export=1
                    )
                else:
                    predictor.predict_from_files_sequential([[str(image)]], out)
                seconds[way].append(time.perf_counter() - begin)
                if not Path(out[0] + ".nii.gz").is_file():
                    sys.exit(f"nnU-Net wrote no label map ({way}).")
    answer = {"seconds": seconds, "parameters": sizes[features], "version": version("nnunetv2")}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
