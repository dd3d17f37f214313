"""MultiJointSeg: bones of pediatric joints from MRI to editable surfaces and measurements.

The library has no dependency on 3D Slicer or Qt. Heavy packages (torch, SimpleITK, vtk) are imported
by the modules that use them, never here.
"""

__version__ = "0.1.0"
