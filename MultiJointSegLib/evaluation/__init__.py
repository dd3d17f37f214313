"""How good is a segmentation: metrics, statistics, and a report."""
