"""How good a trained network is, counted pixel by pixel."""
