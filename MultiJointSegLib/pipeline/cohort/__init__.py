"""The main job over many examinations: resumable, one failure never stops the rest."""
