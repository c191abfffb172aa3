//! Empty: see `tests/`, with the features `node` and `redis`.
