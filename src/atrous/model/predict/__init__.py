"""Applying a trained network to images."""
