"""The report shows the mask that a network saw, where it is, and nothing where there was none."""

from __future__ import annotations

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.learning.masks.source import BodyMask
from MultiJointSegLib.report.content import ReportContent
from MultiJointSegLib.report.figures import FigureMaker


@pytest.fixture
def content(a_small_knee, a_truth_segmenter) -> ReportContent:
    volume, _ = a_small_knee
    segmentation = a_truth_segmenter().segment(volume)
    return ReportContent(
        volume=volume, segmentation=segmentation, joint_given=True, surfaces={}, measurements=[], warnings=[]
    )


def test_no_mask_no_pictures(content):
    assert FigureMaker(content).input_mask() is None


def test_mask_is_outlined_on_whole_slices(content):
    voxels = np.zeros(content.volume.array.shape, np.uint8)
    voxels[:, 8:56, 8:40] = 1
    mask = BodyMask(Volume(voxels, content.volume.geometry), "skin")
    row = FigureMaker(dataclasses.replace(content, segmentation=_with(content, mask))).input_mask()
    assert (row.title, row.note) == ("Skin", "outline of the body") and len(row.pictures) == 3
    for picture in row.pictures:
        pixels = np.asarray(
            Image.open(io.BytesIO(base64.b64decode(picture.source.split(",", 1)[1]))).convert("RGB"), np.int16
        )
        yellow = (pixels[..., 0] > 200) & (pixels[..., 1] > 140) & (pixels[..., 2] < 110)
        rows, columns = np.flatnonzero(yellow.any(1)), np.flatnonzero(yellow.any(0))
        height, width = yellow.shape
        assert [rows[0] / height, (rows[-1] + 1) / height] == pytest.approx([8 / 64, 56 / 64], abs=0.04)
        assert [columns[0] / width, (columns[-1] + 1) / width] == pytest.approx([8 / 48, 40 / 48], abs=0.04)


def _with(content, mask):
    return dataclasses.replace(content.segmentation, input_mask=mask)
