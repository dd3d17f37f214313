"""Runs the module's own tests in a real 3D Slicer, and exits with 0 when all passed.

    Slicer --no-splash --testing --additional-module-paths MultiJointSeg --python-script Testing/run_in_slicer.py

The module's test class (MultiJointSegTest in MultiJointSeg/MultiJointSeg.py) clicks on the real form; the child process
makes and segments a phantom, so the packages of MultiJointSeg/Resources/requirements.txt, torch and a model have to be
installed in that Slicer. With a main window (a virtual display is enough; Qt's offscreen platform has no 3-D views) and
the variable MULTIJOINTSEG_SCREENSHOTS, pictures of the window are written into that folder.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path


def picture(name: str) -> None:
    """Save a picture of the main window, where one is shown and a folder is named."""
    import slicer

    folder, window = os.environ.get("MULTIJOINTSEG_SCREENSHOTS"), slicer.util.mainWindow()
    if folder and window:
        Path(folder).mkdir(parents=True, exist_ok=True)
        slicer.app.processEvents()
        window.grab().save(str(Path(folder) / f"{name}.png"))


def main() -> int:
    """Run the tests one by one; returns the exit code."""
    module = sys.modules["MultiJointSeg"] if "MultiJointSeg" in sys.modules else __import__("MultiJointSeg")
    case = module.MultiJointSegTest()
    names = sorted(name for name in dir(case) if name.startswith("test_"))
    failed = []
    for name in names:
        case.setUp()
        try:
            getattr(case, name)()
        except Exception:
            failed.append(name)
            traceback.print_exc()
        picture(name)
        print(f"{'FAILED' if name in failed else 'passed'} {name}", flush=True)
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    import slicer

    slicer.util.exit(main())
