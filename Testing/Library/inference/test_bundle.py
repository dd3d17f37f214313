import hashlib
import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from MultiJointSegLib.errors import BundleError
from MultiJointSegLib.inference import bundle as bundle_module
from MultiJointSegLib.inference.bundle import load_bundle, save_bundle
from MultiJointSegLib.inference.manifest import read_manifest


@pytest.fixture
def copy(bundle, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(bundle.path, folder)
    return folder


def edit(folder, change):
    path = folder / "bundle.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def replace_weights(folder, data: bytes):
    (folder / "model.safetensors").write_bytes(data)
    edit(folder, lambda d: d.update(weights_sha256=hashlib.sha256(data).hexdigest()))


def change_tensors(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    replace_weights(folder, (folder / "model.safetensors").read_bytes())


def test_a_saved_bundle_loads_with_the_same_answers(bundle, network):
    x = torch.rand(1, 3, 32, 64)
    loaded = load_bundle(bundle.path)
    assert loaded.joints == ("ankle", "knee", "shoulder")
    assert not loaded.network.training
    with torch.inference_mode():
        assert torch.equal(loaded.network(x, "knee"), network(x, "knee"))
        assert torch.equal(loaded.network.detect(x), network.detect(x))
    assert {p.name for p in bundle.path.iterdir()} == {"bundle.json", "card.md", "model.safetensors"}
    assert [p.name for p in bundle.path.parent.iterdir()] == ["tiny"], "temporary files stay behind"


def test_half_precision_is_half_the_size_and_widened_at_load(network, bundle, tmp_path):
    half = save_bundle(tmp_path / "half", network, name="h", version="1.0.0", license="Apache-2.0", card="x")
    assert (half.path / "model.safetensors").stat().st_size < 0.62 * (bundle.path / "model.safetensors").stat().st_size
    state = half.network.state_dict()
    assert {t.dtype for t in state.values()} == {torch.float32, torch.int64}
    for key, tensor in network.state_dict().items():
        if tensor.ndim >= 2:
            torch.testing.assert_close(state[key], tensor, rtol=1e-3, atol=1e-6)
        else:
            assert torch.equal(state[key], tensor), f"{key} must keep its precision"


def put(key, value):
    return lambda d: d.update({key: value})


def inside(key, **values):
    return lambda d: d[key].update(values)


VIOLATIONS = {
    "unknown key": (put("author", "me"), "author"),
    "key missing": (lambda d: d.pop("license"), "license"),
    "newer format": (put("format_version", 2), "format 2"),
    "version": (put("version", "one"), "version"),
    "date": (put("created", "yesterday"), "created"),
    "no joints": (put("joints", {}), "joints"),
    "unknown joint": (inside("joints", elbow=["humerus"]), "elbow"),
    "unknown bone": (inside("joints", shoulder=["humerus", "clavicle"]), "clavicle"),
    "order of bones": (inside("joints", shoulder=["scapula", "humerus"]), "order"),
    "pixel": (inside("preprocessing", pixel_mm=0), "pixel_mm"),
    "pixel is text": (inside("preprocessing", pixel_mm="wide"), "pixel_mm"),
    "normalization": (inside("preprocessing", normalization="zscore"), "normalization"),
    "unknown setting": (inside("detection", magic=1), "magic"),
    "temperature": (inside("detection", temperature=-1), "temperature"),
    "threshold": (inside("detection", accept_threshold=1.5), "accept_threshold"),
    "test-time option": (inside("segmentation", tta="rotate"), "tta"),
    "digest": (put("weights_sha256", "abc"), "weights_sha256"),
    "network": (put("network", {"depth": 3}), "cannot be built"),
    "network of other joints": (inside("network", joints={"ankle": 3, "knee": 4}), "contradicts itself"),
    "network of other classes": (inside("network", joints={"ankle": 3, "knee": 4, "shoulder": 5}), "contradicts"),
    "network of other order": (inside("network", joints={"knee": 4, "ankle": 3, "shoulder": 2}), "contradicts"),
    "network of other width": (inside("network", decoder_channels=[16, 8, 8, 8, 8]), "shape"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_wrong_description_is_refused_with_one_sentence(copy, name):
    change, word = VIOLATIONS[name]
    edit(copy, change)
    with pytest.raises(BundleError, match=word) as caught:
        load_bundle(copy)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_description_that_is_no_json(copy):
    (copy / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="not a valid bundle description"):
        load_bundle(copy)
    (copy / "bundle.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BundleError, match="cannot be read"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["bundle.json", "model.safetensors"])
def test_missing_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


def test_missing_folder(tmp_path):
    with pytest.raises(BundleError, match="no model bundle at"):
        load_bundle(tmp_path / "nowhere")


def test_one_flipped_bit_in_the_weights_is_noticed(copy):
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    with pytest.raises(BundleError, match="altered or damaged"):
        load_bundle(copy)


def test_a_pickle_is_never_loaded(copy, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    replace_weights(copy, pickle.dumps(Bomb()))
    with pytest.raises(BundleError, match="safetensors"):
        load_bundle(copy)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda t: t.pop("heads.knee.weight"), "heads.knee.weight' is missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra' is not part of it"),
        (lambda t: t.update({"heads.knee.bias": torch.zeros(7)}), "heads.knee.bias"),
        (lambda t: t.update({"heads.knee.bias": torch.zeros(5, dtype=torch.int64)}), "type"),
        (lambda t: t["heads.knee.bias"].fill_(float("nan")), "not finite"),
    ],
)
def test_weights_of_another_network_are_refused(copy, change, word):
    change_tensors(copy, change)
    with pytest.raises(BundleError, match=word):
        load_bundle(copy)


def test_saving_replaces_only_bundles_and_only_when_told(copy, network, tmp_path):
    settings = dict(name="n", version="2.0.0", license="Apache-2.0", card="x")
    with pytest.raises(BundleError, match="exists already"):
        save_bundle(copy, network, **settings)
    assert save_bundle(copy, network, overwrite=True, **settings).manifest.version == "2.0.0"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat")
    with pytest.raises(BundleError, match="not a model bundle"):
        save_bundle(tmp_path / "photos", network, overwrite=True, **settings)
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_a_failed_save_leaves_the_old_bundle_and_nothing_else(copy, network, monkeypatch):
    before = {p.name: p.read_bytes() for p in copy.iterdir()}

    def broken(path):
        raise BundleError("It does not load.")

    monkeypatch.setattr(bundle_module, "load_bundle", broken)
    with pytest.raises(BundleError, match="does not load"):
        save_bundle(copy, network, name="n", version="2.0.0", license="MIT", card="x", overwrite=True)
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == before
    assert [p.name for p in copy.parent.iterdir()] == ["copy"]


def test_the_description_alone_is_read_without_weights(copy):
    (copy / "model.safetensors").unlink()
    assert read_manifest(copy).joints["shoulder"] == ["humerus", "scapula"]
