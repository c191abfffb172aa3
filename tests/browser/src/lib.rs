//! Nothing here: see `tests/`, with the feature `browser`.
