//! Nothing here: see `tests/`, with the feature `node`.
