"""The differentiable searches: a network that holds all architectures of a space at once."""
