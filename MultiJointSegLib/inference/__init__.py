"""Model bundles, devices, joint detection, segmentation and post-processing."""
