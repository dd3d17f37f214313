"""Runs the module's own tests in a real 3D Slicer, and exits with 0 when all passed.

    Slicer --no-splash --testing --additional-module-paths MultiJointSeg --python-script Testing/run_in_slicer.py [NAME]

MultiJointSegTest (MultiJointSeg/MultiJointSegSlicer/selftests) clicks on the real form; the child process makes and
segments a phantom, so the packages of MultiJointSeg/Resources/requirements.txt, torch and a model have to be installed
in that Slicer. A NAME runs the tests whose names contain it. With a main window (a virtual display is enough; Qt's
offscreen platform has no 3-D views) and the variable MULTIJOINTSEG_SCREENSHOTS, pictures of the screen are written into
that folder.
"""

from __future__ import annotations

import sys
import time
import traceback


def main(wanted: str = "") -> int:
    """Run the tests one by one; returns the exit code."""
    import slicer

    window = slicer.util.mainWindow()
    if window is not None:
        window.resize(1600, 1100)
    module = sys.modules["MultiJointSeg"] if "MultiJointSeg" in sys.modules else __import__("MultiJointSeg")
    case = module.MultiJointSegTest()
    names = sorted(name for name in dir(case) if name.startswith("test_") and wanted in name)
    failed = []
    for name in names:
        began = time.monotonic()
        try:
            case.setUp()
            getattr(case, name)()
        except Exception:
            failed.append(name)
            traceback.print_exc()
        print(f"{'FAILED' if name in failed else 'passed'} {name} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    import slicer

    slicer.util.exit(main(*sys.argv[1:2]))
