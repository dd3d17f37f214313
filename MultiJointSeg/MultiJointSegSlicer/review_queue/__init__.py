"""The reader's side of a refinement: open the next case, decide, train again. No Qt and no dialogs."""
