"""Smoothing that removes voxel steps and keeps the size."""

from __future__ import annotations

from vtkmodules.vtkCommonCore import vtkSMPTools
from vtkmodules.vtkFiltersCore import vtkWindowedSincPolyDataFilter

from MultiJointSegLib.surface.mesh import Surface, from_polydata, to_polydata

PASS_BAND = 0.01
ITERATIONS = 20


def use_threads() -> None:
    """Let VTK's filters run in threads: the wheels start with the sequential backend."""
    if vtkSMPTools.GetBackend() != "STDThread":
        vtkSMPTools.SetBackend("STDThread")


def windowed_sinc(surface: Surface, *, pass_band: float = PASS_BAND, iterations: int = ITERATIONS) -> Surface:
    """Low-pass filter the point positions (Taubin, Zhang, Golub 1996, doi:10.1007/BFb0015544), as VTK does it.

    The filter is linear in the positions, so it gives the same in index space and in millimeters. Unlike repeated
    averaging it leaves the lowest frequencies alone, so a sphere keeps its volume.

    Parameters
    ----------
    surface : Surface
        Closed mesh.
    pass_band : float
        Share of the mesh's frequency range that is kept, 0 to 2. Lower is smoother.
    iterations : int
        Degree of the Chebyshev polynomial.
    """
    use_threads()
    smoother = vtkWindowedSincPolyDataFilter()
    smoother.SetInputData(to_polydata(surface))
    smoother.SetPassBand(pass_band)
    smoother.SetNumberOfIterations(iterations)
    smoother.BoundarySmoothingOff()
    smoother.FeatureEdgeSmoothingOff()
    smoother.NonManifoldSmoothingOn()
    smoother.NormalizeCoordinatesOn()
    smoother.Update()
    return Surface(from_polydata(smoother.GetOutput()).points_mm, surface.triangles)
