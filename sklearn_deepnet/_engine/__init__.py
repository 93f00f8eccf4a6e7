"""The engine: many networks of one shape, trained by one loop, on arrays alone."""
