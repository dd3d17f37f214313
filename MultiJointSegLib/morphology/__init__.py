"""From meshes to measurements."""
