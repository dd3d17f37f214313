"""The command line ``multijointseg``."""
