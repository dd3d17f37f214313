"""From an examination to its bones: joint detection, the network, and the way back to the examination's own grid."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from MultiJointSegLib import anatomy
from MultiJointSegLib.errors import InputError, RefusalError
from MultiJointSegLib.imaging.canonical import CanonicalSlices, canonical_slices
from MultiJointSegLib.imaging.intensity import normalize_intensity
from MultiJointSegLib.imaging.volume import Volume
from MultiJointSegLib.inference.batches import BatchRunner, padded
from MultiJointSegLib.inference.bundle import ModelBundle, load_bundle
from MultiJointSegLib.inference.confidence import corrected_confidence
from MultiJointSegLib.inference.detection import Detection, article, detect_joint, refuse_modality
from MultiJointSegLib.inference.device import choose_device
from MultiJointSegLib.inference.joint_choice import joint_to_segment, named_joint, only_joint
from MultiJointSegLib.inference.mask_input import NetworkInput, network_input
from MultiJointSegLib.inference.plausibility import implausible_bones, is_consistent
from MultiJointSegLib.inference.postprocess import clean_classes
from MultiJointSegLib.inference.result import BoneEvidence, SegmentationResult, gather_evidence, label_volume
from MultiJointSegLib.inference.runtime import DETECT
from MultiJointSegLib.inference.tta import TTA_OPTIONS, predict
from MultiJointSegLib.learning.masks.settings import FIRST_PASS, IMAGE_CHANNELS
from MultiJointSegLib.progress import Progress, ProgressSpan, SilentProgress


class Segmenter:
    """A model ready to segment examinations.

    Parameters
    ----------
    bundle : ModelBundle
        From `bundle.load_bundle`.
    device : str
        "auto", "cpu", "cuda" or "mps".
    runtime : str
        "auto", "torch", "openvino" or "onnx".
    tta : str, optional
        Test-time option "none", "flip" or "scale"; the bundle's by default.
    precision : str, optional
        "f32" or "bf16", the bundle's by default; see `runtime.create_runtime`.
    memory_bytes : int, optional
        Memory for a batch of slices; see `batches.BatchRunner`.

    Raises
    ------
    InputError
        If the device, runtime or test-time option is unknown or not there.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        device: str = "auto",
        *,
        runtime: str = "auto",
        tta: str | None = None,
        precision: str | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        self.bundle = bundle
        self.tta = tta or bundle.manifest.segmentation.tta
        if self.tta not in TTA_OPTIONS:
            raise InputError(f"Unknown test-time option '{self.tta}'; known are {', '.join(TTA_OPTIONS)}.")
        self.device = choose_device(device, runtime=runtime)
        # Also for the resampling around the network: torch counts the machine's cores, not those it may use.
        if torch.get_num_threads() > self.device.threads:
            torch.set_num_threads(self.device.threads)
        self._first_pass: Segmenter | None = None
        self._runner = BatchRunner(
            bundle,
            self.device,
            precision=precision or bundle.manifest.segmentation.precision,
            memory_bytes=memory_bytes,
        )

    def detect(self, volume: Volume, *, progress: Progress | None = None) -> Detection:
        """Say which joint an examination shows.

        Parameters
        ----------
        volume : Volume
            Checked with `imaging.checks.check_examination`.
        progress : Progress, optional
            Told before every batch.

        Returns
        -------
        Detection
            Refusal is an answer here (`joint` is None), not an error.
        """
        refusal = refuse_modality(volume, self.bundle.joints)
        return refusal or self._detect(self._canonical(volume), progress or SilentProgress())

    def segment(
        self, volume: Volume, *, joint: str = "auto", progress: Progress | None = None, mask: Volume | None = None
    ) -> SegmentationResult:
        """Segment the bones of an examination.

        Parameters
        ----------
        volume : Volume
            Checked with `imaging.checks.check_examination`.
        joint : str
            "auto", or a joint key to override the detection; contradictions then become warnings.
        progress : Progress, optional
            Told before every batch; may cancel.
        mask : Volume, optional
            The parent organ's outline, on the examination's grid, for a model whose mask source is `organ`. All other
            masks are computed here, without being told.

        Returns
        -------
        SegmentationResult

        Raises
        ------
        RefusalError
            If the joint is "auto" and the examination shows none of the model's joints.
        InputError
            If the joint is unknown to the catalog or the model, or does not accept the examination's modality.
        MultiJointSegError
            If it cannot be computed.
        CancelledError
            If the user cancelled.
        """
        progress = progress or SilentProgress()
        timings: dict[str, float] = {}
        warnings: list[str] = []
        forced = named_joint(self.bundle, volume, joint, warnings)
        refusal = refuse_modality(volume, self.bundle.joints)
        if refusal is not None and forced is None:
            raise RefusalError(refusal.reason)
        progress.report(0.0, "Preparing the slices")
        with _timed(timings, "prepare"):
            slices = self._canonical(volume)
        with _timed(timings, "detect"):
            detection = refusal or self._detect(slices, ProgressSpan(progress, 0.05, 0.2))
        key = joint_to_segment(detection, forced, warnings)
        with _timed(timings, "mask"):
            seen = self._input(volume, slices, mask, key)
        if self.bundle.manifest.input == "image":
            del timings["mask"]
        warnings += seen.warnings
        with _timed(timings, "network"):
            stack = self._probabilities(seen.slices, key, ProgressSpan(progress, 0.2, 0.8))
        bones = anatomy.joint(key).bones
        with _timed(timings, "to_native"):
            progress.report(0.8, "Returning to the examination's grid")
            classes, _ = slices.grid.argmax_to_native(stack)
        with _timed(timings, "clean"):
            progress.report(0.87, "Cleaning the bones")
            radius = self.bundle.manifest.segmentation.closing_radius_mm
            cleaned = clean_classes(
                classes,
                volume.spacing_mm[::-1],
                count=len(bones),
                closing_radius_mm=radius,
                both_sides=anatomy.joint(key).both_sides,
                in_parts=anatomy.joint(key).classes_in_parts,
            )
        with _timed(timings, "evidence"):
            evidence = gather_evidence(cleaned, bones, stack, slices.grid, ProgressSpan(progress, 0.92, 1.0))
        warnings += self._runner.warnings
        warnings += self._judge(evidence, detection, key, forced=forced is not None)
        offsets = self.bundle.manifest.confidence_offsets.get(key, {})
        progress.report(1.0, "Segmented")
        return SegmentationResult(
            labels=label_volume(cleaned, bones, volume.geometry),
            joint=anatomy.joint(key),
            detection=detection,
            probabilities={k: e.probability for k, e in evidence.items() if e.probability is not None},
            bone_confidence={k: corrected_confidence(e.confidence, offsets.get(k, 0.0)) for k, e in evidence.items()},
            slice_uncertainty={k: e.slice_uncertainty for k, e in evidence.items()},
            slice_axis=slices.grid.axes[0],
            timings_s=timings,
            warnings=warnings,
            device=self._runner.choice,
            input_mask=seen.mask,
        )

    def _canonical(self, volume: Volume) -> CanonicalSlices:
        settings = self.bundle.manifest.preprocessing
        return canonical_slices(
            normalize_intensity(volume),
            pixel_mm=settings.pixel_mm,
            minimum_pitch_mm=settings.minimum_pitch_mm,
            neighbor_mm=settings.neighbor_mm,
        )

    def _input(self, volume: Volume, slices: CanonicalSlices, mask: Volume | None, joint: str) -> NetworkInput:
        """The channels that the network reads; the mask, if it sees one, is made here."""
        manifest = self.bundle.manifest
        coarse = None
        if manifest.mask is not None and manifest.mask.source == "bone" and manifest.mask.first_pass:

            def coarse(examination: Volume) -> Volume:
                return self._coarse_bones(examination, joint)

        return network_input(manifest, volume, slices, given=mask, first_pass=coarse)

    def _coarse_bones(self, volume: Volume, joint: str) -> Volume:
        """Labels by the model of the first pass, which lies inside the bundle."""
        if self._first_pass is None:
            self._first_pass = Segmenter(
                load_bundle(self.bundle.path / FIRST_PASS),
                self._runner.choice.device,
                runtime=self._runner.choice.runtime,
            )
        return self._first_pass.segment(volume, joint=joint).labels

    def _detect(self, slices: CanonicalSlices, progress: Progress) -> Detection:
        if self.bundle.manifest.input == "mask":
            return only_joint(self.bundle.joints)
        multiple = self.bundle.manifest.preprocessing.size_multiple
        more = self.bundle.network.input_channels - IMAGE_CHANNELS

        def compute(images: np.ndarray) -> np.ndarray:
            images = np.pad(images, ((0, 0), (0, more), (0, 0), (0, 0))) if more else images  # the image alone decides
            return self._runner.run(DETECT, padded(images, multiple), progress=progress, message="Detecting the joint")

        return detect_joint(
            slices.images,
            slices.grid.pitch_mm,
            joints=self.bundle.joints,
            settings=self.bundle.manifest.detection,
            compute=compute,
        )

    def _probabilities(self, slices: CanonicalSlices, joint: str, progress: Progress) -> np.ndarray:
        """Class probabilities, float32 (s, bones + 1, h, w), on the canonical grid."""
        multiple = self.bundle.manifest.preprocessing.size_multiple

        def forward(images: np.ndarray, start: float, stop: float) -> np.ndarray:
            height, width = images.shape[2:]
            answer = self._runner.run(joint, padded(images, multiple), progress=ProgressSpan(progress, start, stop))
            return answer[:, :, :height, :width]

        image_channels = 0 if self.bundle.manifest.input == "mask" else IMAGE_CHANNELS
        return predict(forward, slices.images, slices.grid.plane, self.tta, image_channels=image_channels)

    def _judge(self, evidence: dict[str, BoneEvidence], detection: Detection, key: str, *, forced: bool) -> list[str]:
        """Warnings about implausible bones; refusal when the bones contradict an automatic detection."""
        joint, volumes_ml = anatomy.joint(key), {k: e.volume_ml for k, e in evidence.items()}
        problems = list(implausible_bones(joint, volumes_ml).values())
        best = max(e.confidence for e in evidence.values())
        least = self.bundle.manifest.detection.minimum_confidence
        if not forced and not is_consistent(joint, volumes_ml) and best < least:
            raise RefusalError(
                f"The images resemble {article(key)} (score {detection.confidence:.2f}), but its bones could not be "
                f"found in them: {problems[0]} If you know that it is {article(key)}, name the joint."
            )
        return problems


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - start
