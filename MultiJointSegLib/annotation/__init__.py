"""Annotation by classical algorithms: bones and joint of the hip from CT."""
