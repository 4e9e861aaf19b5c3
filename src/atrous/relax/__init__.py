"""Differentiable search: a relaxed network, its gates and training, and what is decoded from it."""
