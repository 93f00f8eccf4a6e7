"""From X, y and parameters to a training job, and from its result to attributes."""
