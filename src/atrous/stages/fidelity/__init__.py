"""How far the proxy can be trusted: small cells trained in full and by proxy, and their ranks."""
