"""The manifest of a dataset: what is read, and one sentence for everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.imaging.geometry import Geometry
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.imaging.writing import write_volume
from MultiJointSegLib.learning.dataset_check import read_examination
from MultiJointSegLib.learning.manifest import read_dataset
from MultiJointSegLib.progress import CallbackProgress

FEMUR, TIBIA = anatomy.bone("femur").label, anatomy.bone("tibia").label


class Dataset:
    """A folder with knees, and the content of its manifest to be changed before it is written."""

    def __init__(self, folder: Path, knee: tuple[Volume, Volume]) -> None:
        self.folder = folder
        self.image, self.labels = knee
        self.entries: list[dict] = []
        self.content: dict = {"name": "Small knees", "examinations": self.entries}

    def add(self, stem: str, labels: Volume | None = None, **keys: object) -> dict:
        write_volume(self.image, self.folder / f"{stem}.nii.gz")
        write_volume(labels or self.labels, self.folder / f"{stem}-labels.nii.gz")
        entry = {"image": f"{stem}.nii.gz", "label": f"{stem}-labels.nii.gz", "joint": "knee", "subject": stem, **keys}
        self.entries.append(entry)
        return entry

    def read(self, **keywords):
        path = self.folder / "dataset.json"
        path.write_text(json.dumps(self.content), encoding="utf-8")
        return read_dataset(path, **keywords)


@pytest.fixture
def a_dataset(tmp_path, a_small_knee) -> Dataset:
    return Dataset(tmp_path, a_small_knee)


def test_read(a_dataset) -> None:
    a_dataset.content["defaults"] = {"side": "right", "pathology": "healthy"}
    a_dataset.add("one", age_years=7, split="train")
    a_dataset.add("two", name="second", side="left", split="test")
    seen = []
    manifest = a_dataset.read(progress=CallbackProgress(lambda fraction, message: seen.append(message)))
    first, second = manifest.examinations
    assert (manifest.name, first.name, second.name) == ("Small knees", "one", "second")
    assert (first.side, second.side, first.pathology, first.age_years) == ("right", "left", "healthy", 7.0)
    assert [b.key for b in first.bones] == [b.key for b in anatomy.joint("knee").bones]
    assert manifest.select(split="test") == (second,) and manifest.select(joint="hip") == ()
    assert seen == ["Checking one", "Checking second", "Checked"]
    _, labels = read_examination(first)
    assert labels.array.dtype == np.uint8 and (labels.array == a_dataset.labels.array).all()


def test_own_label_values(a_dataset) -> None:
    """A file with values of its own: two values for one bone, one that is no bone, bones that are not labeled."""
    theirs = np.zeros_like(a_dataset.labels.array)
    theirs[a_dataset.labels.array == FEMUR] = 77
    theirs[:4][a_dataset.labels.array[:4] == FEMUR] = 78
    theirs[a_dataset.labels.array == TIBIA] = 3
    theirs[0, 0, 0] = 9
    values = {"femur": [77, 78], "tibia": 3, "background": [9]}
    a_dataset.add("one", a_dataset.labels.with_array(theirs), label_values=values)
    examination = a_dataset.read().examinations[0]
    assert {b.key for b in examination.bones} == {"femur", "tibia"}
    _, labels = read_examination(examination)
    wanted = np.where(np.isin(a_dataset.labels.array, (FEMUR, TIBIA)), a_dataset.labels.array, 0)
    assert (labels.array == wanted).all()


def test_cancel(a_dataset) -> None:
    a_dataset.add("one")
    with pytest.raises(CancelledError):
        a_dataset.read(progress=CallbackProgress(lambda *_: None, lambda: True))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"imagee": "x"}, "unknown key 'imagee'.*Did you mean 'image'"),
        ({"joint": "kne"}, "Unknown joint 'kne'.*Did you mean 'knee'"),
        ({"joint": None}, "'joint' is missing"),
        ({"subject": 12}, "'subject' is 12; text in quotes"),
        ({"side": "lefft"}, "side 'lefft' is unknown.*Did you mean 'left'"),
        ({"split": "tests"}, "split 'tests' is unknown.*Did you mean 'test'"),
        ({"age_years": "seven"}, "'age_years' is \"seven\""),
        ({"image": "nothing.nii.gz"}, "the image nothing.nii.gz does not exist"),
        ({"label": "nothing.nii.gz"}, "the label nothing.nii.gz does not exist"),
        ({"label_values": {"femurr": 1}}, "unknown key 'femurr'.*Did you mean 'femur'"),
        ({"label_values": {"femur": 1, "tibia": 1}}, "label value 1 stands for two things"),
        ({"label_values": {"femur": 0}}, "label value 0 stands for two things"),
        ({"label_values": {"femur": 1.5}}, "label value of 'femur' is 1.5"),
        ({"label_values": {"background": 1}}, "names no bone"),
    ],
)
def test_wrong_entry(a_dataset, change, sentence) -> None:
    a_dataset.add("one").update(change)
    with pytest.raises(InputError, match=f"^dataset.json, examination 1.*{sentence}"):
        a_dataset.read(check_images=False)


def test_wrong_file(a_dataset, tmp_path) -> None:
    path = tmp_path / "dataset.json"
    with pytest.raises(InputError, match="does not exist"):
        read_dataset(path)
    for text, sentence in (
        ('{"examinations": [}', "not JSON.*line 1, column 19"),
        ("[]", "an object"),
        ('{"examinations": []}', "lists no examination"),
        ('{"examination": []}', "unknown key 'examination'.*Did you mean 'examinations'"),
        ('{"name": "a", "name": "b"}', "gives the key 'name' twice"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=f"^dataset.json.*{sentence}"):
            read_dataset(path)


def test_subject_in_two_splits(a_dataset) -> None:
    a_dataset.add("one", split="train", subject="Anna")
    a_dataset.add("two", split="test", subject="Anna")
    with pytest.raises(InputError, match=r"subject 'Anna' is in two splits, train .one.nii.gz. and test .two.nii.gz."):
        a_dataset.read()


def test_listed_twice(a_dataset) -> None:
    entry = a_dataset.add("one")
    a_dataset.entries.append(entry)
    with pytest.raises(InputError, match="two examinations are named 'one'"):
        a_dataset.read()
    a_dataset.entries[1] = {**entry, "name": "again"}
    with pytest.raises(InputError, match=r"one-labels.nii.gz is listed twice"):
        a_dataset.read()


def _on(labels: Volume, **changes) -> Volume:
    g = labels.geometry
    given = {"size": g.size, "spacing_mm": g.spacing_mm, "origin_mm": g.origin_mm, "direction": g.direction, **changes}
    size = given["size"]
    return Volume(labels.array[: size[2], : size[1], : size[0]], Geometry(**given))


def test_label_on_another_grid(a_dataset) -> None:
    i, j, k = a_dataset.labels.geometry.size
    a_dataset.add("one", _on(a_dataset.labels, size=(i, j, k - 3)))
    with pytest.raises(InputError, match=r"one-labels.nii.gz of 'one' lies on another grid .*48 x 64 x 11"):
        a_dataset.read()


def test_label_outside_the_image(a_dataset) -> None:
    a_dataset.add("one", _on(a_dataset.labels, origin_mm=(500.0, 0.0, 0.0)))
    with pytest.raises(InputError, match=r"one-labels.nii.gz of 'one' does not belong to .*100 % of its labeled"):
        a_dataset.read()


def test_unknown_label_value(a_dataset) -> None:
    array = a_dataset.labels.array.copy()
    array[3, 3, 3] = 200
    a_dataset.add("one", a_dataset.labels.with_array(array))
    with pytest.raises(InputError, match=r"one-labels.nii.gz of 'one' holds the label value 200; known are .*1 femur"):
        a_dataset.read()


def test_label_of_another_joint(a_dataset) -> None:
    a_dataset.add("one", joint="shoulder")
    with pytest.raises(InputError, match="holds the label value 1; known are 7 humerus, 8 scapula"):
        a_dataset.read()


def test_empty_label_map(a_dataset) -> None:
    a_dataset.add("one", a_dataset.labels.with_array(np.zeros_like(a_dataset.labels.array)))
    with pytest.raises(InputError, match=r"one-labels.nii.gz of 'one' holds no bone"):
        a_dataset.read()


def test_unreadable_files(a_dataset) -> None:
    a_dataset.add("one")
    (a_dataset.folder / "one-labels.nii.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"^The label map of 'one', one-labels.nii.gz: "):
        a_dataset.read()
    (a_dataset.folder / "one.nii.gz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"^The image of 'one', one.nii.gz: "):
        a_dataset.read()
