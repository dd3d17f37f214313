"""Synthetic examinations with exact truth."""
