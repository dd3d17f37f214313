"""A stand-in for the command line of the library: the same arguments, events and files, without a network.

The bones are where the image is bright. `FAKE_LIBRARY` tells it to misbehave, for example "slow", "refuse" or "killed".
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

PREFIX = "@multijointseg "


def event(**data: object) -> None:
    print(PREFIX + json.dumps(data), flush=True)


def write_box(corners: Any, path: Path) -> None:
    """Write the box between two corners, LPS mm, as a text STL; vtk would take seconds to import."""
    faces = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
    points = [[corners[(n >> axis) & 1][axis] for axis in range(3)] for n in range(8)]
    rows = ["solid box"]
    for a, b, c, d in faces:
        for triangle in ((a, b, c), (a, c, d)):
            rows += ["facet normal 0 0 0", "outer loop"]
            rows += [f"vertex {points[n][0]} {points[n][1]} {points[n][2]}" for n in triangle]
            rows += ["endloop", "endfacet"]
    path.write_text("\n".join([*rows, "endsolid box"]) + "\n", encoding="ascii")


def write_ball(corners: Any, path: Path, *, steps: int = 160) -> None:
    """Write an ellipsoid between two corners, LPS mm, as a binary STL of `2 * steps**2` triangles."""
    import numpy as np

    low, high = np.asarray(corners)
    a, b = np.meshgrid(np.linspace(0, np.pi, steps + 1), np.linspace(0, 2 * np.pi, steps + 1), indexing="ij")
    points = np.stack([np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)], axis=-1) * (high - low) / 2
    points += (low + high) / 2
    quads = points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]
    first, second = np.stack(quads[:3], axis=2), np.stack([quads[0], quads[2], quads[3]], axis=2)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles = np.zeros(2 * steps**2, record)
    triangles["corners"] = np.concatenate([first.reshape(-1, 3, 3), second.reshape(-1, 3, 3)])
    path.write_bytes(b"ball".ljust(80) + np.uint32(len(triangles)).tobytes() + triangles.tobytes())


def segment(source: Path, output: Path, joint: str) -> dict:
    import numpy as np

    from MultiJointSegLib import anatomy
    from MultiJointSegLib.imaging.reading import read_volume
    from MultiJointSegLib.imaging.writing import write_volume
    from MultiJointSegLib.morphology.measurement import Measurement, line
    from MultiJointSegLib.morphology.writing import write_measurements

    volume = read_volume(source)
    k = np.indices(volume.array.shape)[0]
    bright = volume.array > 500
    half = volume.array.shape[0] / 2
    labels = volume.with_array(
        np.where(bright & (k >= half), anatomy.bone("femur").label, 0).astype(np.uint8)
        + np.where(bright & (k < half), anatomy.bone("tibia").label, 0).astype(np.uint8)
    )
    (output / "surfaces").mkdir(parents=True)
    write_volume(labels, output / "labels.nii.gz")
    write_volume(volume.with_array(np.where(k == half, 80, 20 * bright).astype(np.uint8)), output / "uncertainty.nrrd")
    ends = {}
    for key in ("femur", "tibia"):
        kji = np.argwhere(labels.array == anatomy.bone(key).label)
        corners = np.sort(labels.geometry.index_to_point(np.array([kji.min(axis=0), kji.max(axis=0)])[:, ::-1]), axis=0)
        ends[key] = corners
        if os.environ.get("FAKE_LIBRARY") == "large":
            write_ball(corners, output / "surfaces" / f"{key}.stl")
        else:
            write_box(corners, output / "surfaces" / f"{key}.stl")
    low, high = ends["femur"]
    write_measurements(
        [
            Measurement(
                "femur_height",
                "Height",
                "femur",
                float(high[2] - low[2]),
                "mm",
                "Extent along the body axis.",
                "doi:10.1000/1",
                {"axis": line(low, high)},
            ),
            Measurement("femur_volume", "Volume", "femur", 123456.7, "mm3", "Volume inside the surface."),
            Measurement("patella_height", "Height", "patella", None, "mm", "Extent.", reason="Not found."),
        ],
        output / "measurements.csv",
        output / "measurements.json",
    )
    behavior = os.environ.get("FAKE_LIBRARY")
    gpu = ["The GPU's memory was not enough even for one slice; the CPU was used."] if behavior == "gpu" else []
    if behavior == "broken-labels":
        (output / "labels.nii.gz").write_bytes(b"broken")
    doubt = np.linspace(0.1, 0.6, volume.array.shape[0])
    run = {
        "joint": "knee",
        "joint_given": joint != "auto",
        "detection": {"confidence": 0.97},
        "bone_confidence": {"femur": 0.93, "fibula": 0.0, "patella": 0.0, "tibia": 0.88},
        "slice_axis": 0,
        "slice_uncertainty": {"femur": doubt.tolist(), "tibia": doubt[::-1].tolist()},
        "warnings": ["The fibula and the patella were not found.", *gpu],
        "device": {"device": "cpu", "runtime": "torch"},
        "total_s": 12.3,
    }
    (output / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return run


def revise(source: Path, output: Path, given: Path, examination: str) -> dict:
    import numpy as np

    from MultiJointSegLib import anatomy
    from MultiJointSegLib.imaging.reading import read_label_map
    from MultiJointSegLib.morphology.measurement import Measurement, line
    from MultiJointSegLib.morphology.writing import write_measurements
    from MultiJointSegLib.surface.mesh import Surface
    from MultiJointSegLib.surface.writing import write_surface

    labels = read_label_map(source)
    (output / "surfaces").mkdir(parents=True)
    measurements, remade = [], []
    for bone in anatomy.joint("knee").bones:
        kji = np.argwhere(labels.array == bone.label)
        if not len(kji):
            continue
        low, high = np.sort(
            labels.geometry.index_to_point(np.array([kji.min(axis=0), kji.max(axis=0)])[:, ::-1]), axis=0
        )
        height = float(high[2] - low[2])
        axis = {"axis": line(low, (low[0], low[1], high[2]))}
        definition = "Extent along the body axis."
        measurements.append(
            Measurement(f"{bone.key}_height", "Height", bone.key, height, "mm", definition, "doi:10.1000/1", axis)
        )
        volume_mm3 = len(kji) * labels.geometry.voxel_volume_mm3
        measurements.append(Measurement(f"{bone.key}_volume", "Volume", bone.key, volume_mm3, "mm3", "Of the mask."))
        if not (given / f"{bone.key}.ply").is_file():
            corners = np.array([[(low, high)[(n >> a) & 1][a] for a in range(3)] for n in range(8)])
            faces = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
            triangles = np.array([t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))])
            write_surface(Surface(corners, triangles), output / "surfaces" / f"{bone.key}.ply")
            remade.append(bone.key)
    if examination != "auto":
        measurements.append(plate(examination, labels))
    write_measurements(measurements, output / "measurements.csv", output / "measurements.json")
    return {"joint": "knee", "remade": remade}


def plate(examination: str, labels: Any) -> Any:
    """What only the image tells: how bright the femur is in it."""
    import numpy as np
    from scipy import ndimage

    from MultiJointSegLib import anatomy
    from MultiJointSegLib.imaging.reading import read_volume
    from MultiJointSegLib.morphology.measurement import Measurement

    image = read_volume(Path(examination))
    inside = np.argwhere(labels.array == anatomy.bone("femur").label)[:, ::-1].astype(float)
    index = image.geometry.point_to_index(labels.geometry.index_to_point(inside))
    bright = float(ndimage.map_coordinates(image.array, index[:, ::-1].T, order=0, mode="constant").min())
    return Measurement("femur_growth_plate", "Growth plate", "femur", bright, "mm", "Darkest voxel of the femur.")


def cohort(source: Path, output: Path) -> dict:
    """One examination per file, of which those named "bad" fail; done ones are kept."""
    output.mkdir(parents=True, exist_ok=True)
    names = sorted(path.stem for path in source.iterdir())
    done = [name for name in names if (output / name).is_dir()]
    rows = []
    for number, name in enumerate(names):
        event(event="progress", fraction=number / len(names), message=f"{number} of {len(names)} done")
        if name == "slow" and not os.environ.get("FAKE_LIBRARY_QUICK"):
            time.sleep(60)
        state = "failed" if name.startswith("bad") else "finished"
        if state == "finished":
            (output / name).mkdir(exist_ok=True)
        rows.append(
            f"{name},{state},{'knee' if state == 'finished' else ''},,{'It is empty.' if state == 'failed' else ''}"
        )
        table = "\n".join(["examination,state,joint,warnings,reason", *rows]) + "\n"
        (output / "cohort.csv").write_text(table, encoding="utf-8")
    failed = sum("failed" in row for row in rows)
    if failed:
        event(event="failed", exit_code=1, error=f"{failed} of {len(rows)} examinations failed.")
        sys.exit(1)
    return {"counts": {"finished": len(rows), "refused": 0, "failed": 0}, "skipped": len(done)}


def phantom(output: Path) -> dict:
    import numpy as np

    from MultiJointSegLib.imaging.geometry import Geometry
    from MultiJointSegLib.imaging.volume import Volume
    from MultiJointSegLib.imaging.writing import write_volume

    geometry = Geometry((40, 36, 20), (1.5, 1.5, 3.0), (-30.0, -27.0, -30.0))
    k, j, i = np.indices(geometry.array_shape)
    points = geometry.index_to_point(np.stack([i, j, k], axis=-1))
    image = 100 + 800 * ((points**2).sum(axis=-1) < 400)
    output.mkdir()
    write_volume(Volume(image.astype(np.int16), geometry, "MR"), output / "image.nii.gz")
    return {}


def refine() -> None:
    """The real command, with networks that call everything femur and are not trained."""
    import numpy as np

    from MultiJointSegLib.annotation.refinement import judging
    from MultiJointSegLib.cli.main import main as command

    def predict(_network: object, images: np.ndarray, _joint: str) -> np.ndarray:
        answer = np.zeros((len(images), 5, *images.shape[2:]), np.float32)
        answer[:, 1] = np.asarray(images[:, 1], np.float32) > 0.6
        answer[:, 0] = 1 - answer[:, 1]
        return answer

    judging._train = lambda *_: {"knee": None}
    judging.predict_slices = predict
    judging.case_features = lambda _network, images, _joint: np.asarray(images, float).mean((0, 2, 3))
    sys.exit(command(sys.argv[1:]))


def prescribe() -> None:
    """The real command, with heat maps as a perfect network would give them."""
    import numpy as np

    from MultiJointSegLib.cli.main import main as command
    from MultiJointSegLib.learning.pretext import prediction
    from MultiJointSegLib.learning.pretext.lines import heat_map
    from MultiJointSegLib.learning.pretext.prepared import CHANNELS

    def perfect(_network: object, series: Any, _domain: str, indices: Any) -> tuple:
        maps = np.zeros((len(indices), len(CHANNELS), *series.grids[0].shape), np.float32)
        for row, index in enumerate(indices):
            for channel, plane in series.crossing.items():
                maps[row, CHANNELS.index(channel)] = heat_map(series.grids[index], plane, 5.0)
        return maps, np.zeros(len(indices))

    prediction.predict_series = perfect
    sys.exit(command(sys.argv[1:]))


def main() -> None:
    if sys.argv[1] == "prescribe" and os.environ.get("FAKE_LIBRARY") != "slow":
        prescribe()
    if sys.argv[1] == "review":
        from MultiJointSegLib.cli.main import main as command

        sys.exit(command(sys.argv[1:]))
    if sys.argv[1] == "annotate":
        sys.argv[1:3] = ["segment"]
    if sys.argv[1] == "refine" and os.environ.get("FAKE_LIBRARY") != "slow":
        refine()
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("input", nargs="?")
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--anyway", action="store_true")
    names = ("joint", "device", "model", "mask", "seed", "age", "surfaces", "examination", "run", "review")
    names = (*names, "dicom-source")
    for name in names:
        parser.add_argument(f"--{name}", default="auto")
    parser.add_argument("--dicom-objects", nargs="+", default=[])
    for name in ("no-scene", "progress-json"):
        parser.add_argument(f"--{name}", action="store_true")
    given = parser.parse_args()
    event(event="progress", fraction=0.1, message="Reading the examination")
    behavior = os.environ.get("FAKE_LIBRARY", "")
    if behavior == "slow":
        event(event="progress", fraction=0.4, message="Segmenting the bones: slices 12 to 24 of 48")
        time.sleep(60)
    if behavior == "refuse":
        event(event="failed", exit_code=3, error="The images show none of the joints that the model knows.")
        sys.exit(3)
    if behavior == "memory":
        reason = "The memory is not enough for this examination; close other programs."
        event(event="failed", exit_code=1, error=reason)
        sys.exit(1)
    if behavior == "no-files":
        event(event="finished", data={})
        return
    if behavior == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if given.command == "phantom":
        data = phantom(given.output)
    elif given.command == "revise":
        data = revise(given.input, given.output, Path(given.surfaces), given.examination)
        if given.review != "auto":
            (given.output / "report.html").write_text(f"<p>{given.review}</p>", encoding="utf-8")
        if given.dicom_source != "auto":
            files = Path(given.dicom_source).read_text(encoding="utf-8")
            for name in given.dicom_objects:
                file = {"segmentation": "segmentation.dcm", "report": "measurements.dcm"}[name]
                (given.output / file).write_text(files, encoding="utf-8")
    elif given.command == "cohort":
        data = cohort(Path(given.input), given.output)
    else:
        data = segment(given.input, given.output, given.joint)
    event(event="progress", fraction=1.0, message="Done")
    event(event="finished", data=data)


if __name__ == "__main__":
    main()
