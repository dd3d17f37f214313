"""An evaluation from files to the report."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import CancelledError, InputError
from MultiJointSegLib.evaluation.figures import PREDICTION_COLOR, TRUTH_COLOR, box_plot, outline_picture
from MultiJointSegLib.evaluation.run import CSV_NAME, JSON_NAME, REPORT_NAME, WORST_SHOWN, evaluate, worst_cases
from MultiJointSegLib.evaluation.sources import cases_from_model, cases_from_pairs, cases_from_predictions
from MultiJointSegLib.learning.manifest import read_dataset
from MultiJointSegLib.progress import CallbackProgress


def picture_of(address: str) -> np.ndarray:
    assert address.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"), int)


def pixels_like(picture: np.ndarray, color: str) -> np.ndarray:
    wanted = [int(color[n : n + 2], 16) for n in (1, 3, 5)]
    return np.argwhere(np.abs(picture - wanted).max(axis=-1) < 40)


def test_everything_is_written(some_knees) -> None:
    methods = {}
    for name in ("good", "bad"):
        methods[name], notes = cases_from_pairs(some_knees / "truth", some_knees / name, images=some_knees / "images")
        assert notes == []
    out = some_knees / "out"
    out.mkdir()
    seen = []
    found = evaluate(methods, out, progress=CallbackProgress(lambda fraction, _: seen.append(fraction)))
    assert sorted(p.name for p in out.iterdir()) == sorted((REPORT_NAME, CSV_NAME, JSON_NAME))
    assert seen == sorted(seen) and seen[-1] == 1
    assert found.warnings == []

    rows = list(csv.DictReader((out / CSV_NAME).read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 2 * 6 * 4
    missed = next(r for r in rows if r["remark"])
    assert (missed["method"], missed["case"], missed["bone"], missed["dice"]) == ("bad", "case4", "patella", "0.0")
    assert {r["dice"] for r in rows if r["method"] == "good" and r["bone"] == "femur"} == {"1.0"}
    femur = next(r for r in rows if (r["method"], r["case"], r["bone"]) == ("bad", "case1", "femur"))
    assert float(femur["mssd_mm"]) == pytest.approx(4.0)  # two voxels of 2 mm

    content = json.loads((out / JSON_NAME).read_text(encoding="utf-8"))
    assert content["scores"][0].keys() >= {"method", "case", "subject", "bone", "dice", "remark"}
    dice = next(c for c in content["comparisons"] if c["metric"] == "dice")
    assert (dice["method"], dice["reference"], dice["result"]["pairs"]) == ("bad", "good", 6)
    assert dice["result"]["p_value"] == pytest.approx(2 / 64) and dice["result"]["rank_biserial"] == -1

    page = (out / REPORT_NAME).read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page) and "http" not in page
    assert page.count("data:image/png") == WORST_SHOWN and page.count("data:image/svg+xml") == 4
    assert page.index("Patella, case4, bad") < page.index("Hausdorff")
    assert str(some_knees) not in page


def test_the_same_input_gives_the_same_report(some_knees) -> None:
    cases, _ = cases_from_pairs(some_knees / "truth", some_knees / "bad")
    pages = []
    for name in ("one", "two"):
        (some_knees / name).mkdir()
        evaluate({"bad": cases[:2]}, some_knees / name, definition="surfel")
        pages.append((some_knees / name / REPORT_NAME).read_bytes())
    assert pages[0] == pages[1]


def test_cases_of_a_manifest(some_knees) -> None:
    chosen = read_dataset(some_knees / "knees.json", check_images=False).select(split="test")
    cases, notes = cases_from_predictions(chosen, some_knees / "good")
    assert [c.subject for c in cases] == ["s0", "s0", "s1", "s1"]
    assert notes == ["good: no truth for 'case4', 'case5', so not scored."]
    assert cases[0].bones == anatomy.joint("knee").bones


def test_a_model_on_a_manifest(some_knees, a_truth_segmenter) -> None:
    manifest = read_dataset(some_knees / "knees.json", check_images=False)
    folder = some_knees / "predicted"
    cases = cases_from_model(manifest.examinations[:3], a_truth_segmenter(), folder)
    assert sorted(p.name for p in folder.iterdir()) == [f"case{n}.nii.gz" for n in range(3)]
    (some_knees / "out").mkdir()
    found = evaluate({"model": cases}, some_knees / "out")
    assert all(m.dice == 1 for s in found.scores for m in s.bones.values())
    assert found.comparisons == []
    with pytest.raises(Exception, match="'case0' cannot be segmented: The images show none"):
        cases_from_model(manifest.examinations[:1], a_truth_segmenter(refuse=True), folder)


def test_a_model_is_told_the_side_that_the_manifest_states(some_knees, a_truth_segmenter) -> None:
    manifest = read_dataset(some_knees / "knees.json", check_images=False)
    seen = []
    real = a_truth_segmenter()

    class Watching:
        def segment(self, volume, **options):
            seen.append(volume.metadata.get("laterality"))
            return real.segment(volume, **options)

    sides = [replace(e, side=side) for e, side in zip(manifest.examinations, ("left", "right", "both"), strict=False)]
    cases_from_model(sides, Watching(), some_knees / "predicted")
    assert seen == ["L", "R", None]


def test_cancel_and_nothing_to_score(some_knees, a_small_knee) -> None:
    cases, _ = cases_from_pairs(some_knees / "truth", some_knees / "bad")
    with pytest.raises(CancelledError):
        evaluate({"bad": cases}, some_knees, progress=CallbackProgress(lambda *_: None, lambda: True))
    with pytest.raises(InputError, match="nothing to score"):
        evaluate({"bad": []}, some_knees)
    assert not (some_knees / REPORT_NAME).exists()


def test_outlines_lie_where_the_bones_are(a_small_knee) -> None:
    """The patella moved down by 8 mm: the predicted outline lies lower in the picture, as high as the truth's."""
    image, truth = a_small_knee
    moved = truth.with_array(np.roll(truth.array, 4, axis=1))  # j runs to the feet
    address, place = outline_picture(image, truth, moved, anatomy.bone("patella").label)
    picture = picture_of(address)
    ours, theirs = (pixels_like(picture, color) for color in (TRUTH_COLOR, PREDICTION_COLOR))
    assert len(ours) > 30 and len(theirs) > 30
    assert theirs[:, 0].max() > ours[:, 0].max() + 5
    assert re.fullmatch(r"sagittal slice \d+ of 14", place)
    # The slice number is that of the file: both masks are there.
    index = int(re.search(r"\d+", place).group()) - 1
    assert (truth.array[index] == anatomy.bone("patella").label).any()
    fibula = anatomy.bone("fibula").label  # off center, so that counting from the wrong end shows
    _, place = outline_picture(image, truth, moved, fibula)
    assert (truth.array[int(re.search(r"\d+", place).group()) - 1] == fibula).any()


def test_outlines_of_a_missed_bone_without_image(a_small_knee) -> None:
    truth = a_small_knee[1]
    empty = truth.with_array(np.zeros_like(truth.array))
    picture = picture_of(outline_picture(None, truth, empty, 1)[0])
    assert len(pixels_like(picture, TRUTH_COLOR)) > 30 and not len(pixels_like(picture, PREDICTION_COLOR))


def test_box_plot_is_an_svg_with_the_names(a_score) -> None:
    scores = [a_score(m, f"{n}", f"{n}", femur=0.9 - 0.01 * n, tibia=0.8) for m in ("A", "B<&") for n in range(5)]
    address = box_plot(scores, "dice")
    root = ElementTree.fromstring(base64.b64decode(address.partition(",")[2]))
    texts = {"".join(t.itertext()).strip() for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"A", "B<&", "Femur", "Tibia", "Dice"} <= texts


def test_every_method_shows_its_worst_cases(some_knees, a_score) -> None:
    """The first method misses everything, the second little: both are shown, the lowest Dice first."""
    methods = {}
    for name in ("bad", "good"):
        methods[name], _ = cases_from_pairs(some_knees / "truth", some_knees / name)
    scores = [
        a_score(name, case.name, case.subject, femur=low + 0.01 * n, tibia=low + 0.01 * n)
        for name, low in (("bad", 0.0), ("good", 0.9))
        for n, case in enumerate(methods[name])
    ]
    titles = [w.title for w in worst_cases(methods, scores)]
    assert len(titles) == WORST_SHOWN
    assert [title.rpartition(", ")[2] for title in titles] == ["bad"] * (WORST_SHOWN // 2) + ["good"] * (
        WORST_SHOWN // 2
    )
