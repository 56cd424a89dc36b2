"""The reference pages, written from the code: recipes, commands, algorithms."""
