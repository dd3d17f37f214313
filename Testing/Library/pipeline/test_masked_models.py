"""Models that see a global mask: trained and exported from a configuration, then run like any other."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from MultiJointSegLib.errors import BundleError, InputError
from MultiJointSegLib.imaging.canonical import canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.inference.bundle import load_bundle, save_bundle
from MultiJointSegLib.inference.first_pass import coarse_bones
from MultiJointSegLib.inference.segmenter import Segmenter
from MultiJointSegLib.learning.config import parse_config
from MultiJointSegLib.learning.manifest_training import train_from_file
from MultiJointSegLib.learning.masks.settings import MaskSettings
from MultiJointSegLib.networks.shared_unet import SharedUNet
from MultiJointSegLib.pipeline.run_export import export_run

ABOUT = {"name": "masked", "version": "0.1.0", "license": "Apache-2.0", "card": "A test."}


def bundle(folder, mode="image+mask", mask=None, joints=None, fusion="input", **options):
    torch.manual_seed(0)
    channels = 6 if (mask or MaskSettings()).encoding == "position" else 1
    network = SharedUNet(
        joints or {"knee": 4}, (8, 8, 8, 8, 8), backbone="unet", sees_image=mode != "mask", mask_channels=channels,
        mask_fusion=fusion,
    )  # fmt: skip
    if network.position is not None:
        for head in network.position.heads.children():
            torch.nn.init.normal_(head.weight)
    return save_bundle(folder, network, **ABOUT, input=mode, mask=mask or MaskSettings(), **options)


@pytest.fixture
def knee(a_small_knee) -> Volume:
    return a_small_knee[0]


def dataset(folder, knee, **extra):
    image, labels = knee
    entries = []
    for name in "ab":
        write_volume(image, folder / f"{name}.nii.gz")
        write_volume(labels, folder / f"{name}_labels.nii.gz")
        entries.append({"image": f"{name}.nii.gz", "label": f"{name}_labels.nii.gz", "subject": name, **extra})
    (folder / "set.json").write_text(json.dumps({"defaults": {"joint": "knee"}, "examinations": entries}))


@pytest.mark.parametrize("mode", ["image+mask", "mask"])
def test_a_configuration_becomes_a_model_that_makes_its_own_mask(tmp_path, a_small_knee, mode):
    dataset(tmp_path, a_small_knee, side="right")
    content = {
        "scheme": "individual",
        "input": mode,
        "mask": {"source": "skin"},
        "network": {"backbone": "unet", "decoder_channels": [8, 8, 8, 8, 8]},
        "training": {"steps": 2, "sizes_px": [32], "slices_per_joint": 2, "other_slices": 2, "validation_slices": 2,
                     "validation_size_px": 32, "bfloat16": False},
        "data": {"manifest": "set.json", "pixel_mm": 4.0, "minimum_pitch_mm": 5.0, "other_maps": 0, "validation": 0.5},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(content))
    trained = train_from_file(tmp_path / "config.json", tmp_path / "runs")
    made = export_run(trained.runs[0].folder, tmp_path / "bundle")
    assert (made.manifest.input, made.manifest.mask) == (mode, MaskSettings())
    assert made.network.input_channels == (9 if mode == "image+mask" else 6)
    assert (made.network.position is not None) == (mode == "image+mask")
    result = Segmenter(made, runtime="torch").segment(a_small_knee[0], joint="knee")
    assert result.input_mask.source == "skin" and result.input_mask.volume.geometry.same_grid(result.labels.geometry)
    body = a_small_knee[0].array > 100
    found = result.input_mask.volume.array > 0
    assert 2 * np.count_nonzero(body & found) / (np.count_nonzero(body) + np.count_nonzero(found)) > 0.95


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize("fusion", ["input", "output"])
def test_every_runtime_takes_the_mask(tmp_path, knee, runtime, fusion):
    pytest.importorskip(runtime)
    model = bundle(tmp_path / "model", fusion=fusion)
    result = Segmenter(model, runtime=runtime, tta="flip").segment(knee, joint="knee")
    assert result.device.runtime == runtime and result.input_mask is not None
    assert result.detection.scores  # judged by the image


def test_a_mask_alone_ignores_the_intensities_inside_it(tmp_path, knee):
    segmenter = Segmenter(bundle(tmp_path / "model", "mask"), runtime="torch")
    first = segmenter.segment(knee, joint="knee")
    inside = first.input_mask.volume.array > 0
    noise = np.random.default_rng(0).integers(200, 400, knee.array.shape)
    second = segmenter.segment(knee.with_array(np.where(inside, noise, 0).astype(np.int16)), joint="knee")
    assert np.array_equal(second.input_mask.volume.array > 0, inside)
    assert np.array_equal(second.labels.array, first.labels.array) and first.labels.array.any()
    assert "mask alone" in second.detection.reason and second.detection.joint == "knee"


def test_a_mask_alone_does_not_tell_several_joints(tmp_path, knee):
    segmenter = Segmenter(bundle(tmp_path / "model", "mask", joints={"knee": 4, "ankle": 3}), runtime="torch")
    assert "does not tell knee or ankle" in segmenter.detect(knee).reason
    assert segmenter.segment(knee, joint="ankle").joint.key == "ankle"


def test_without_a_mask_only_a_model_that_may_goes_on_and_says_so(tmp_path, knee):
    tissue = np.random.default_rng(0).integers(200, 400, knee.array.shape)
    full = knee.with_array(tissue.astype(np.int16))
    strict = Segmenter(bundle(tmp_path / "strict"), runtime="torch")
    with pytest.raises(InputError, match="tells no position"):
        strict.segment(full, joint="knee")
    lenient = Segmenter(bundle(tmp_path / "lenient", mask=MaskSettings(fallback_to_image=True)), runtime="torch")
    result = lenient.segment(full, joint="knee")
    assert result.input_mask is None
    assert any(w.startswith("The image alone was used") for w in result.warnings)


def test_an_outline_is_taken_where_the_model_wants_one(tmp_path, a_small_knee):
    knee, labels = a_small_knee
    outline = labels.with_array((labels.array > 0).astype(np.uint8))
    organ = Segmenter(bundle(tmp_path / "organ", mask=MaskSettings(source="organ")), runtime="torch")
    assert np.array_equal(organ.segment(knee, joint="knee", mask=outline).input_mask.volume.array, outline.array)
    with pytest.raises(InputError, match="needs the outline"):
        organ.segment(knee, joint="knee")
    skin = Segmenter(bundle(tmp_path / "skin"), runtime="torch")
    with pytest.raises(InputError, match="computes its own from the skin"):
        skin.segment(knee, joint="knee", mask=outline)


def test_the_first_pass_travels_in_the_bundle(tmp_path, knee):
    torch.manual_seed(1)
    coarse = SharedUNet({"knee": 4}, (8, 8, 8, 8, 8), backbone="unet").eval()
    slices = canonical_slices(normalize_intensity(knee)).images[:, :, :96, :96]
    with torch.no_grad():  # half of the pixels become femur, none another bone
        coarse.heads["knee"].bias[2:] = -1e3
        logits = coarse(torch.from_numpy(slices), "knee")
        coarse.heads["knee"].bias[1] -= (logits[:, 1] - logits[:, 0]).median()
    save_bundle(tmp_path / "coarse", coarse, **ABOUT)
    model = bundle(tmp_path / "model", mask=MaskSettings(source="bone", first_pass=str(tmp_path / "coarse")))
    assert model.manifest.mask.first_pass == "first_pass"
    (tmp_path / "coarse").rename(tmp_path / "elsewhere")
    result = Segmenter(load_bundle(tmp_path / "model"), runtime="torch").segment(knee, joint="knee")
    assert result.input_mask.source == "bone"
    labels = Segmenter(load_bundle(tmp_path / "elsewhere"), runtime="torch").segment(knee, joint="knee").labels.array
    found = result.input_mask.volume.array > 0
    assert not (found & (labels == 0)).any() and found.any()
    assert coarse_bones(tmp_path / "elsewhere", knee, "knee").geometry.same_grid(knee.geometry)


def test_bundles_that_contradict_themselves_or_leak_are_refused(tmp_path):
    with pytest.raises(InputError, match="union of the true labels"):
        bundle(tmp_path / "a", mask=MaskSettings(source="oracle"))
    assert bundle(tmp_path / "b", mask=MaskSettings(source="oracle", allow_oracle=True))
    network = SharedUNet({"knee": 4}, (8, 8, 8, 8, 8), backbone="unet")
    with pytest.raises(BundleError, match=r"reads 3 channels, its input 'image\+mask' gives 9"):
        save_bundle(tmp_path / "c", network, **ABOUT, input="image+mask", mask=MaskSettings())
    with pytest.raises(ValueError, match="mask must be stated"):
        save_bundle(tmp_path / "d", network, **ABOUT, input="mask")


def test_configurations_with_a_mask_are_checked():
    assert parse_config({"input": "mask"}).input_mask == MaskSettings()
    assert parse_config({}).input_mask is None
    with pytest.raises(InputError, match='a mask is described, but the input is "image"'):
        parse_config({"mask": {"source": "bone"}})
    with pytest.raises(InputError, match="union of the true labels"):
        parse_config({"input": "mask", "mask": {"source": "oracle"}})
    assert parse_config({"input": "mask", "mask": {"source": "oracle", "allow_oracle": True}}).mask.source == "oracle"
    with pytest.raises(InputError, match=r"nearest known key is 'mask\.source'"):
        parse_config({"input": "mask", "mask": {"sorce": "skin"}})
