"""Active refinement: which labels a person should look at next, and a store that loses nothing a person drew."""
