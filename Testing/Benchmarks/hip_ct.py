"""Hip annotation on phantom CTs of exact truth, with ablations and baselines, and on real CTs.

``python Testing/Benchmarks/hip_ct.py [--seeds 2] [--minutes 25] [--data FOLDER] [--speed] [-o FILE]``

Every condition is built for every seed: healthy, narrowed and closed joint space, dysplasia, osteopenia, a screw, one
hip missing, one replaced, noise, slices of 1 to 5 mm. Per hip: whether it was found, error of center and radius, Dice
of the head (femur within 1.05 radii of the true center) and of the acetabulum (hip bone within 1.7 radii). Ablations
switch one rule of the boundary search off. Baselines find the sphere from the same place: one circle by Hough votes in
the middle slice, and the extent of all voxels above 250 HU. With ``--data`` the real CTs are annotated too and compared
with the reference contours, which are drawn for radiotherapy or made by a network. ``--speed`` times 512 x 512 x 300
voxels from file to labels in a process of its own. ``--spheres-only`` leaves out the labels. Conditions take turns, so
that ``--minutes`` ends with all of them nearly equally often; what is done is written after every phantom.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import shlex
import sys
import time
from pathlib import Path

from hip_ct_scores import Rows, real_cases, score_hips, score_spheres
from hip_ct_speed import speed
from hip_ct_tables import write

from MultiJointSegLib.annotation.body_grid import body_grid
from MultiJointSegLib.annotation.hip_annotator import find_hips
from MultiJointSegLib.errors import MultiJointSegError
from MultiJointSegLib.phantom.hip import HipVariant
from MultiJointSegLib.phantom.pelvis_ct import PelvisCtSettings, make_pelvis_ct

CONDITIONS: dict[str, dict[str, object]] = {
    "healthy, 1 mm": {"spacing_mm": (0.8, 0.8, 1.0)},
    "healthy, 3 mm": {"spacing_mm": (0.8, 0.8, 3.0)},
    "healthy, 5 mm": {"spacing_mm": (0.8, 0.8, 5.0)},
    "narrow joint (1.4 mm)": {"spacing_mm": (0.8, 0.8, 1.5), "variant": HipVariant(1.4)},
    "closed joint": {"spacing_mm": (0.8, 0.8, 1.5), "variant": HipVariant(1.2), "closed_deg": 30.0},
    "dysplasia": {"spacing_mm": (0.8, 0.8, 1.5), "variant": HipVariant(3.4, 12.0, 8.0)},
    "osteopenia, 3 mm": {"spacing_mm": (0.8, 0.8, 3.0), "osteopenia": 0.9, "noise_hu": 40.0},
    "noise 80 HU": {"spacing_mm": (0.8, 0.8, 1.5), "noise_hu": 80.0},
    "screw, contrast": {"spacing_mm": (0.8, 0.8, 2.0), "right_hip": "screw", "contrast": True},
    "right missing": {"spacing_mm": (0.8, 0.8, 2.0), "right_hip": "missing"},
    "right prosthesis": {"spacing_mm": (0.8, 0.8, 2.0), "right_hip": "prosthesis"},
}


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2, help="phantoms per condition")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--conditions", nargs="*", choices=CONDITIONS, help="only these")
    parser.add_argument("--map-spacing", type=float, default=1.0, help="grid of the phantoms in mm")
    parser.add_argument("--spheres-only", action="store_true", help="only the comparison of spheres, which is fast")
    parser.add_argument("--speed", action="store_true", help="time 512 x 512 x 300 voxels too")
    parser.add_argument("--data", type=Path, help="folder of the real CTs")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/hip_ct.json"))
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no further phantom after so long")
    arguments = parser.parse_args()
    about = {
        "command": f"python Testing/Benchmarks/hip_ct.py {shlex.join(sys.argv[1:])}",
        "machine": platform.machine(),
        "map_spacing_mm": arguments.map_spacing,
        "first_seed": arguments.first_seed,
    }
    rows, extra, begin = Rows(), dict[str, object](), time.monotonic()
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        for condition in arguments.conditions or CONDITIONS:
            if time.monotonic() - begin > 60 * arguments.minutes:
                break
            settings = PelvisCtSettings(seed=seed, map_spacing_mm=arguments.map_spacing, **CONDITIONS[condition])  # type: ignore[arg-type]
            phantom = make_pelvis_ct(settings)
            start = None if arguments.spheres_only else score_hips(rows, condition, seed, phantom)
            if arguments.spheres_only:
                with contextlib.suppress(MultiJointSegError):
                    start = find_hips(body_grid(phantom.volume))
            score_spheres(rows, condition, seed, phantom, start)
            print(condition, seed, [r for r in rows.hips if r["condition"] == condition][-2:], flush=True)
            write(arguments.output, about | extra, rows)
    if arguments.data is not None:
        extra["real"] = real_cases(arguments.data)
        write(arguments.output, about | extra, rows)
    if arguments.speed:
        extra["speed"] = speed(arguments.first_seed)
    print(json.dumps(write(arguments.output, about | extra, rows), indent=2))


if __name__ == "__main__":
    main()
