"""Fitted attributes as JSON and arrays, these as a file, and fingerprints of values."""
