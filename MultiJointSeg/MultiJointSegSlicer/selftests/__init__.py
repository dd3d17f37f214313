"""Tests that run inside 3D Slicer, on real nodes and real widgets; `MultiJointSegTest` of the module collects them.

A person's clicks are done on the form; the child process makes and segments a phantom. Nothing of the module is
imported at file scope: a reload in the middle brings new classes.
"""
