"""What MultiJointSeg needs of 3D Slicer: `scene` works on MRML nodes, with or without the application."""
