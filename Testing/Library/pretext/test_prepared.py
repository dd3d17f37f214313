"""Studies prepared for the network: image and grid stay together, and the right planes are looked for."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scipy.spatial.transform import Rotation

from MultiJointSegLib.errors import InputError
from MultiJointSegLib.learning.pretext.lines import heat_map
from MultiJointSegLib.learning.pretext.prepared import channels_of, prepare_studies, prepare_study, target_planes
from MultiJointSegLib.learning.pretext.reslicing import cross_cuts
from MultiJointSegLib.learning.pretext.sampling import (
    AugmentationSettings,
    PretextSampler,
    cut_borders,
    heat_map_stack,
    random_grid,
    sample_on,
)
from MultiJointSegLib.learning.pretext.slice_grid import Plane, SliceGrid
from MultiJointSegLib.learning.pretext.study_images import read_images
from MultiJointSegLib.learning.pretext.study_reading import read_study

SAGITTAL = (0, 1, 0, 0, 0, -1)
CORONAL = (1, 0, 0, 0, 0, -1)
AXIAL = (1, 0, 0, 0, 1, 0)
SLOPE = np.array([3.0, 5.0, -4.0])


def ramp_volume(path: Path, plane: str, turn: np.ndarray, shape: tuple[int, int, int] = (9, 24, 30)) -> None:
    """Volume whose intensity is a linear function of the place in the patient."""
    axes = {"axial": np.eye(3), "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], float)}[plane]
    image = sitk.Image(shape[::-1], sitk.sitkFloat32)
    image.SetDirection((turn @ axes).ravel().tolist())
    image.SetSpacing((1.3, 0.9, 3.5))
    half = [(n - 1) * s / 2 for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    image.SetOrigin((-(turn @ axes) @ half).tolist())
    k, j, i = np.indices(shape)
    points = np.stack([i, j, k], axis=-1) * image.GetSpacing() @ (turn @ axes).T + image.GetOrigin()
    filled = sitk.GetImageFromArray((points @ SLOPE + 400).astype(np.float32))
    filled.CopyInformation(image)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(filled, str(path))


def test_prepared_pixels_lie_where_their_grid_says(tmp_path: Path) -> None:
    turn = Rotation.from_euler("xyz", (7, -5, 9), degrees=True).as_matrix()
    ramp_volume(tmp_path / "ax.nii.gz", "axial", turn)
    ramp_volume(tmp_path / "sag.nii.gz", "sagittal", turn)
    study = prepare_study(read_study(tmp_path), pixel_mm=1.1, reslice=True)
    assert [s.key for s in study.series] == ["ax", "ax sagittal", "ax coronal", "sag", "sag coronal", "sag axial"]
    for series in study.series:
        assert series.images.shape[2:] == series.grids[0].shape
        rows, columns = np.indices(series.grids[0].shape)
        expected = np.stack([g.points(columns, rows) @ SLOPE for g in series.grids])[:, 3:-3, 3:-3]
        found = series.images[:, 0, 3:-3, 3:-3].astype(float)
        inner = (found > 0.05) & (found < 1.45)
        slope, start = np.polyfit(expected[inner], found[inner], 1)
        assert slope > 0
        assert np.abs(found[inner] - slope * expected[inner] - start).max() < 2e-3
        np.testing.assert_allclose(series.grids[0].pixel_mm, 1.1, rtol=0.05)


def test_augmented_pixels_lie_where_their_grid_says() -> None:
    rng = np.random.default_rng(2)
    turn = Rotation.random(random_state=3).as_matrix()
    grid = SliceGrid((4, 5, 6), turn[:, 0] * 1.1, turn[:, 1] * 0.8, (90, 110))
    rows, columns = np.indices(grid.shape)
    image = (grid.points(columns, rows) @ SLOPE)[None]

    class _Series:
        grids = (grid,)

    for _ in range(20):
        target = random_grid(_Series(), 0, 32, AugmentationSettings(turn_deg=60, zoom=(1.5, 2.5)), rng)  # type: ignore[arg-type]
        rows, columns = np.indices(target.shape)
        points = target.points(columns, rows)
        at_column, at_row = grid.pixels(points)
        inside = (at_column > 0) & (at_column < 109) & (at_row > 0) & (at_row < 89)
        found = sample_on(image, grid, target)[0].numpy()
        np.testing.assert_allclose(found[inside], (points @ SLOPE)[inside], atol=0.02)
        np.testing.assert_allclose((points - grid.origin_mm) @ grid.normal, 0, atol=1e-9)


def test_heat_maps_of_training_equal_the_definition() -> None:
    grid = SliceGrid((4, 5, 6), (1.1, 0.3, 0), (-0.2, 0.9, 0.1), (48, 40))
    planes = {
        "sagittal": Plane((20, 3, 1), (0.6, 0.8, 0.0)),
        "oblique": Plane((30, 10, 1), (1 / np.sqrt(2), 0, 1 / np.sqrt(2))),
    }
    maps, present = heat_map_stack(grid, planes, 5.0)
    assert present.tolist() == [True, False, False, True]
    assert float(maps[1:3].abs().max()) == 0
    for index, plane in ((0, planes["sagittal"]), (3, planes["oblique"])):
        np.testing.assert_allclose(maps[index].numpy(), heat_map(grid, plane, 5.0), atol=1e-5)


def test_planes_that_are_looked_for(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, CORONAL, (0, 4, 8, 12))
    a_study.series(3, CORONAL, (0, 4, 8))
    a_study.series(4, SAGITTAL, (0, 4, 8), SeriesDescription="localizer")
    tilted = np.concatenate([Rotation.from_euler("z", 30, degrees=True).apply(v) for v in ((1, 0, 0), (0, 0, -1))])
    a_study.series(5, tilted.tolist(), (0, 4, 8))
    study = read_study(a_study.folder)
    assert channels_of(study.series) == {
        "1": "axial", "2": "coronal", "3": "coronal", "4": "sagittal", "5": "oblique"
    }  # fmt: skip
    planes = {channel: plane for (_, channel), plane in target_planes(study.series).items()}
    assert set(planes) == {"axial", "coronal", "oblique"}
    assert planes["coronal"] == study.series[1].middle_plane
    prepared = {s.key: s for s in prepare_study(study, pixel_mm=2.0).series}
    assert set(prepared["4"].crossing) == {"axial", "coronal", "oblique"}  # a localizer's images do learn
    assert set(prepared["2"].crossing) == {"axial", "oblique"}
    assert set(prepare_study(study, minimum_angle_deg=35).series[1].crossing) == {"axial"}


def test_no_lines_between_frames_of_reference(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6))
    a_study.series(2, CORONAL, (0, 4, 8), FrameOfReferenceUID="1.2.3")
    prepared = prepare_study(read_study(a_study.folder))
    assert [s.crossing for s in prepared.series] == [{}, {}]
    assert all(s.teaches for s in prepared.series)  # their locations do


def test_studies_that_teach_nothing_are_an_error(a_study) -> None:
    a_study.series(1, AXIAL, (0,))
    with pytest.raises(InputError, match="teaches anything"):
        prepare_studies([read_study(a_study.folder)])


def test_gapped_stacks_are_not_cut_across(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6, 9, 12, 15, 18, 21))
    a_study.series(2, CORONAL, (0, 3, 6, 9, 12, 15, 18, 27))
    even, gapped = read_study(a_study.folder).series
    assert {cut.view for cut in cross_cuts(read_images(even), even)} == {"sagittal", "coronal"}
    assert cross_cuts(read_images(gapped), gapped) == []


def test_batches(a_study) -> None:
    a_study.series(1, AXIAL, (0, 3, 6), phases=2)
    a_study.series(2, CORONAL, (0, 4))
    a_study.series(3, SAGITTAL, (0,))
    studies = [prepare_study(read_study(a_study.folder), pixel_mm=2.0)]
    sampler = PretextSampler(studies, sigma_mm=5.0, seed=3)
    batch = sampler.batch(12, 32)
    assert batch.images.shape == (12, 3, 32, 32)
    assert batch.heat_maps.shape == (12, 4, 32, 32)
    assert batch.has_line.any() and not batch.has_line[:, 3].any()
    assert bool(batch.locations.isnan().any()) and not bool(batch.locations.isnan().all())
    again = PretextSampler(studies, sigma_mm=5.0, seed=3).batch(12, 32)
    assert torch.equal(batch.images, again.images) and torch.equal(batch.heat_maps, again.heat_maps)
    by_view = PretextSampler(studies, sigma_mm=5.0, domains="view")
    assert by_view.domains == ["axial", "coronal", "sagittal"]
    with pytest.raises(InputError, match="joint of the study"):
        PretextSampler(studies, sigma_mm=5.0, domains="joint")


def test_borders_are_cut_unevenly() -> None:
    rng = np.random.default_rng(5)
    middles = []
    for _ in range(40):
        cut = cut_borders(np.ones((3, 40, 60), np.float32), 0.25, rng)
        row, column = np.nonzero(cut[0])
        assert np.ptp(row) >= 19 and np.ptp(column) >= 29
        assert (cut[:, row.min() : row.max() + 1, column.min() : column.max() + 1] == 1).all()
        middles.append((row.min() + row.max()) / 2 - 19.5)
    assert np.std(middles) > 1  # the middle of what is seen is not the middle of the field of view
