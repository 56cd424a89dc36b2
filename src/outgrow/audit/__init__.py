"""What a recipe would learn from, tried before it is trained: what its reward pays, and whether its policy earns any of it."""
