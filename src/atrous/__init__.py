"""Atrous: finds the dense-prediction network that fits your images, device and budget."""
