"""Studies: learning schemes compared on the same examinations."""
