"""The shared network and its parts."""
