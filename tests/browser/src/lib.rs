//! Empty: see `tests/`, with the feature `browser`.
