"""The built-in scenes, drawn by chance."""
