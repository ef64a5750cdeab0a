"""A package, so that its tests can share a browser by fixtures of package scope."""
