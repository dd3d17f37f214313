"""Volumes: reading, writing, canonical slices and the way back."""
