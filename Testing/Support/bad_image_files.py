"""Makes image files that must be refused."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from dicom_files import DicomMaker
from nifti_files import nifti_bytes


class BadFiles:
    """Writes files that must be refused: `make(name)` returns the path of the one of that name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.good = np.random.default_rng(0).integers(0, 500, (10, 24, 26)).astype(np.int16)

    def names(self) -> list[str]:
        return sorted(name.removeprefix("_make_") for name in dir(self) if name.startswith("_make_"))

    def make(self, name: str) -> Path:
        return getattr(self, f"_make_{name}")()

    def _bytes(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def _image(self, name: str, array: np.ndarray, *, vector: bool = False) -> Path:
        path = self.folder / name
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector=vector), str(path))
        return path

    def _edited(self, name: str, old: bytes, new: bytes) -> Path:
        path = self._image(name, self.good)
        content = path.read_bytes()
        assert old in content
        return self._bytes(name, content.replace(old, new))

    def _dicom(self) -> DicomMaker:
        folder = self.folder / "dicom"
        folder.mkdir()
        return DicomMaker(folder)

    def _make_missing(self) -> Path:
        return self.folder / "nowhere.nii.gz"

    def _make_empty_folder(self) -> Path:
        (self.folder / "empty").mkdir()
        return self.folder / "empty"

    def _make_folder_without_images(self) -> Path:
        (self.folder / "notes").mkdir()
        (self.folder / "notes" / "readme.txt").write_text("no images here")
        return self.folder / "notes"

    def _make_folder_with_nifti_only(self) -> Path:
        (self.folder / "study").mkdir()
        (self.folder / "study" / "knee.nii.gz").write_bytes(gzip.compress(nifti_bytes(self.good)))
        return self.folder / "study"

    def _make_empty_file(self) -> Path:
        return self._bytes("empty.nii.gz", b"")

    def _make_text_file(self) -> Path:
        return self._bytes("report.pdf", b"%PDF-1.4 nothing to see")

    def _make_junk_nifti(self) -> Path:
        return self._bytes("junk.nii.gz", b"hello" * 500)

    def _make_junk_nrrd(self) -> Path:
        return self._bytes("junk.nrrd", b"hello" * 500)

    def _make_junk_mha(self) -> Path:
        return self._bytes("junk.mha", b"hello" * 500)

    def _make_truncated_nifti(self) -> Path:
        content = nifti_bytes(self.good)
        return self._bytes("cut.nii", content[: len(content) // 2])

    def _make_truncated_nifti_header(self) -> Path:
        return self._bytes("cut.nii", nifti_bytes(self.good)[:200])

    def _make_truncated_gzip(self) -> Path:
        content = gzip.compress(nifti_bytes(self.good))
        return self._bytes("cut.nii.gz", content[: len(content) // 2])

    def _make_gzip_with_wrong_checksum(self) -> Path:
        content = bytearray(gzip.compress(nifti_bytes(self.good)))
        content[-6] ^= 0xFF
        return self._bytes("flipped.nii.gz", bytes(content))

    def _make_truncated_nrrd(self) -> Path:
        content = self._image("cut.nrrd", self.good).read_bytes()
        return self._bytes("cut.nrrd", content[: len(content) // 2])

    def _make_truncated_mha(self) -> Path:
        content = self._image("cut.mha", self.good).read_bytes()
        return self._bytes("cut.mha", content[: len(content) // 2])

    def _make_mhd_without_raw(self) -> Path:
        path = self._image("alone.mhd", self.good)
        (self.folder / "alone.raw").unlink()
        return path

    def _make_zero_spacing_nifti(self) -> Path:
        return self._bytes("zero.nii", nifti_bytes(self.good, pixdim=(1, 1, 0)))

    def _make_nan_spacing_nifti(self) -> Path:
        return self._bytes("nan.nii", nifti_bytes(self.good, pixdim=(1, float("nan"), 1)))

    def _make_negative_spacing_nifti(self) -> Path:
        return self._bytes("negative.nii", nifti_bytes(self.good, pixdim=(1, -1, 1)))

    def _make_contradicting_nifti(self) -> Path:
        affine = np.diag([2.0, 3.0, 4.0, 1.0])[:3]
        return self._bytes("both.nii", nifti_bytes(self.good, sform=affine, codes=(0, 1)))

    def _make_sheared_nifti(self) -> Path:
        angle = 0.3
        affine = np.array([[1, np.sin(angle), 0, 0], [0, np.cos(angle), 0, 0], [0, 0, 1, 0.0]])
        return self._bytes("sheared.nii", nifti_bytes(self.good, sform=affine, codes=(0, 1)))

    def _make_tiny_spacing_nifti(self) -> Path:
        return self._bytes("meters.nii", nifti_bytes(self.good, pixdim=(0.0005, 0.0005, 0.003)))

    def _make_huge_spacing_nifti(self) -> Path:
        return self._bytes("huge.nii", nifti_bytes(self.good, pixdim=(1, 1, 1000)))

    def _make_zero_spacing_nrrd(self) -> Path:
        return self._edited("zero.nrrd", b"(0,1,0)", b"(0,0,0)")

    def _make_no_spacing_nrrd(self) -> Path:
        return self._edited(
            "none.nrrd", b"space directions: (1,0,0) (0,1,0) (0,0,1)", b"space directions: none none none"
        )

    def _make_sheared_nrrd(self) -> Path:
        return self._edited("sheared.nrrd", b"(0,1,0)", b"(0.4,1,0)")

    def _make_zero_spacing_mha(self) -> Path:
        return self._edited("zero.mha", b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 0 1")

    def _make_no_spacing_mha(self) -> Path:
        return self._edited("none.mha", b"ElementSpacing = 1 1 1\n", b"")

    def _make_two_dimensional_nifti(self) -> Path:
        return self._bytes("flat.nii", nifti_bytes(self.good[0], pixdim=(1, 1)))

    def _make_single_slice_nrrd(self) -> Path:
        return self._image("flat.nrrd", self.good[:1])

    def _make_two_slices(self) -> Path:
        return self._image("two.nrrd", self.good[:2])

    def _make_narrow(self) -> Path:
        return self._image("narrow.nrrd", self.good[:, :12, :8])

    def _make_four_dimensional(self) -> Path:
        return self._bytes("series.nii", nifti_bytes(np.stack([self.good] * 3), pixdim=(1, 1, 1, 1)))

    def _make_color_nifti(self) -> Path:
        color = np.zeros((5, 24, 26, 3), np.uint8)
        return self._bytes("color.nii", nifti_bytes(color, datatype=128))

    def _make_color_mha(self) -> Path:
        return self._image("color.mha", np.zeros((5, 24, 26, 3), np.uint8), vector=True)

    def _make_two_components(self) -> Path:
        return self._image("vector.mha", np.zeros((5, 24, 26, 2), np.float32), vector=True)

    def _make_complex(self) -> Path:
        return self._bytes("complex.nii", nifti_bytes(self.good.astype(np.complex64)))

    def _make_nan_voxels(self) -> Path:
        array = self.good.astype(np.float32)
        array[3, 4, 5] = np.nan
        return self._image("nan.mha", array)

    def _make_nan_voxels_nifti(self) -> Path:
        array = self.good.astype(np.float32)
        array[3, 4, 5] = np.nan
        return self._bytes("nan.nii", nifti_bytes(array))

    def _make_infinite_voxels_gzip(self) -> Path:
        array = self.good.astype(np.float64)
        array[-1, -1, -1] = np.inf
        return self._bytes("inf.nii.gz", gzip.compress(nifti_bytes(array)))

    def _make_infinite_voxels(self) -> Path:
        array = self.good.astype(np.float32)
        array[3, 4, 5] = -np.inf
        return self._image("inf.mha", array)

    def _make_constant(self) -> Path:
        return self._image("constant.nrrd", np.full_like(self.good, 7))

    def _make_over_two_gigabytes(self) -> Path:
        header = bytearray(nifti_bytes(np.zeros((2, 2, 2), np.float32))[:352])
        struct.pack_into("<3h", header, 42, 1000, 1000, 600)
        path = self._bytes("large.nii", bytes(header))
        os.truncate(path, 352 + 1000 * 1000 * 600 * 4)  # a sparse file: takes no space
        return path

    def _make_localizer_only(self) -> Path:
        maker = self._dicom()
        for n, axes in enumerate(([0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0])):
            maker.series(3, ImageOrientationPatient=axes, position=lambda s, n=n: [5.0 * s] * 3, SeriesNumber=1)
        return maker.folder

    def _make_named_localizer_only(self) -> Path:
        maker = self._dicom()
        maker.series(5, SeriesDescription="AAHead_Scout", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        return maker.folder

    def _make_single_dicom_image(self) -> Path:
        maker = self._dicom()
        maker.series(1)
        return next(maker.folder.iterdir())

    def _make_color_dicom(self) -> Path:
        maker = self._dicom()
        for s in range(4):
            dataset = maker.header(
                SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0,
                ImagePositionPatient=[s, 0, 0],
            )  # fmt: skip
            maker.save(dataset, np.zeros((8, 8, 3), np.uint8))
        return maker.folder

    def _make_ultrasound(self) -> Path:
        maker = self._dicom()
        maker.series(5, Modality="US")
        return maker.folder

    def _make_dicom_without_positions(self) -> Path:
        maker = self._dicom()
        maker.series(5, ImagePositionPatient=None, ImageOrientationPatient=None)
        return maker.folder

    def _make_zero_spacing_dicom(self) -> Path:
        maker = self._dicom()
        maker.series(5, PixelSpacing=[0, 0])
        return maker.folder

    def _make_truncated_dicom(self) -> Path:
        maker = self._dicom()
        maker.series(5)
        victim = sorted(maker.folder.iterdir())[2]
        victim.write_bytes(victim.read_bytes()[:-400])
        return maker.folder

    def _make_dicom_cut_in_header(self) -> Path:
        maker = self._dicom()
        maker.series(5)
        for file in maker.folder.iterdir():
            file.write_bytes(file.read_bytes()[:400])
        return maker.folder

    def _make_missing_slice(self) -> Path:
        maker = self._dicom()
        maker.series(8, skip=(3,))
        return maker.folder

    def _make_uneven_slices(self) -> Path:
        maker = self._dicom()
        maker.series(8, position=lambda s: [3.0 * s + (1.0 if s > 4 else 0.0), 0, 0])
        return maker.folder

    def _make_tilted_gantry(self) -> Path:
        maker = self._dicom()
        maker.series(8, position=lambda s: [3.0 * s, 0, 1.0 * s])
        return maker.folder

    def _make_two_good_series(self) -> Path:
        maker = self._dicom()
        maker.series(5, folder="a")
        maker.series(5, folder="b", SeriesInstanceUID=f"{maker.study}.2", SeriesNumber=2, SeriesDescription="sag T1")
        return maker.folder

    def _make_repeated_slices(self) -> Path:
        maker = self._dicom()
        maker.series(5)
        maker.series(5)
        return maker.folder
