"""Models and their relaxation: the abstract model, directions, selection, sampling of texts."""
