"""Fitted attributes as JSON and arrays, files of these, and fingerprints of values."""
