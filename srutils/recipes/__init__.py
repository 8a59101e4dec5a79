"""How each shipped model is trained: ``srutils train NAME``; one file a family."""
