"""The module's window: connects the form to the logic. Qt only here, and only through what the caller hands over."""
