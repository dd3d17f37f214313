"""The page: complete, self-contained, and safe whatever a header says."""

from __future__ import annotations

import base64
import dataclasses
import io
from html.parser import HTMLParser

import pytest
from PIL import Image

from MultiJointSegLib.morphology.measurement import Measurement
from MultiJointSegLib.report.content import ReportContent
from MultiJointSegLib.report.page import format_value, write_report
from MultiJointSegLib.surface.extraction import bone_surfaces


class Page(HTMLParser):
    """Tags, addresses and text of a page."""

    VOID = frozenset({"meta", "img", "link", "br", "rect", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.images: list[bytes] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self._open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action", "data", "poster"):
                self.addresses.append(value)
                if tag == "img":
                    self.images.append(base64.b64decode(value.split(",", 1)[1]))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def content(a_small_knee, a_truth_segmenter) -> ReportContent:
    volume, _ = a_small_knee
    volume = dataclasses.replace(
        volume, metadata={**volume.metadata, "series_description": "<script>alert(1)</script>"}
    )
    segmentation = a_truth_segmenter().segment(volume)
    return ReportContent(
        volume=volume,
        segmentation=segmentation,
        joint_given=False,
        surfaces=bone_surfaces(segmentation.labels, segmentation.joint.bones),
        measurements=[
            Measurement("femur_volume", "Volume", "femur", 12345.6, "mm3", "Inside.", "doi:10.0/x", {}, "", 12.3),
            Measurement("femur_head", "Head", "femur", None, "mm", "Radius.", reason="The head is not in the images."),
        ],
        warnings=["The slices are thick & few."],
        run={
            "versions": {"MultiJointSeg": "9.8.7", "numpy": "2.0"},
            "device": {"device": "cpu", "runtime": "torch", "reason": "No faster one."},
            "model": {"name": "test", "version": "1.2.3", "sha256": "ab" * 32},
            "timings_s": {"Measuring": 1.25},
            "peak_memory_mib": 512.3,
            "input": {"files": 1, "sha256": "cd" * 32, "voxels_sha256": "ef" * 32},
        },
    )


@pytest.fixture(scope="module")
def page(content, tmp_path_factory) -> Page:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert write_report(path, content) == []
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


def test_page_needs_nothing_from_outside(page):
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)


def test_pictures_are_there_and_whole(page):
    sizes = [Image.open(io.BytesIO(png)).size for png in page.images]
    # Three planes with three slices, four bones with up to four, three rendered views, up to six doubtful slices.
    assert 9 + 4 + 3 + 1 <= len(sizes) <= 9 + 16 + 3 + 6
    assert all(width >= 60 and height >= 60 for width, height in sizes)


@pytest.mark.parametrize(
    "words",
    [
        "Knee: bones and measurements",
        "Detection confidence 97 %",
        "Research use, not a medical device",
        "Side Right",
        "Acquired plane Sagittal",
        "48 × 64 × 14 voxels",
        "The slices are thick & few.",
        "Anterior view",
        "numbered from L to R",
        "12 346",
        "± 12.30",
        "mm³",
        "The head is not in the images.",
        "Inside.",
        "doi:10.0/x",
        "Peak memory 512 MiB",
        "MultiJointSeg 9.8.7",
        "cpu with torch: No faster one.",
        "arXiv:2207.13502",
    ],
)
def test_page_says(page, words):
    assert words in page.text


def test_header_text_is_shown_as_text(page):
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1234, "0.12"),
        (-12.345, "-12.35"),
        (123.456, "123.5"),
        (1234.5, "1\u2009234"),
        (1234567.8, "1\u2009234\u2009568"),
    ],
)
def test_numbers_as_readers_want_them(value, shown):
    assert format_value(value) == shown


def test_nothing_found_is_still_a_report(content, tmp_path):
    labels = content.segmentation.labels
    empty = dataclasses.replace(
        content.segmentation,
        labels=labels.with_array(labels.array * 0),
        bone_confidence={},
        slice_uncertainty={},
    )
    nothing = dataclasses.replace(content, segmentation=empty, surfaces={}, measurements=[], joint_given=True, run={})
    assert write_report(tmp_path / "report.html", nothing) == ["There is no 3-D view, since no bone was found."]
    text = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert text.count("not found in this examination") >= 4
    assert "nothing to measure" in text
    assert "Joint named by the user" in text
