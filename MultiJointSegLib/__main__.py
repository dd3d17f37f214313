"""``python -m MultiJointSegLib``: the same as the console script ``multijointseg``."""

import sys

from MultiJointSegLib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
