"""The main job: from an examination to editable bones, measurements and a report."""
