//! Each test asserts the same in both tiers of the suite, on smaller or larger numbers.

/// Returns the first number for `SUITE_TIER=test`, which is the default, and the second for
/// `assure`.
pub fn of_tier<T>(test: T, assure: T) -> T {
    match std::env::var("SUITE_TIER").as_deref() {
        Err(_) | Ok("test") => test,
        Ok("assure") => assure,
        Ok(other) => panic!("SUITE_TIER is `test` or `assure`, not {other:?}"),
    }
}
