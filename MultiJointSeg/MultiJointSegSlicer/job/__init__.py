"""A child process with progress and cancel. Pure Python: no Qt, no MRML."""
