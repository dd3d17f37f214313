"""From label maps and probabilities to closed meshes."""
