use std::time::Duration;

/// Redis takes a time as an `i64` of milliseconds, to which it adds the present.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Milliseconds, at least one: Redis refuses a time of zero.
pub(crate) fn millis(ttl: Duration) -> u64 {
    let ttl = ttl.min(LONGEST);
    let part = u64::from(!ttl.subsec_nanos().is_multiple_of(1_000_000));
    let millis = ttl.as_secs() * 1000 + u64::from(ttl.subsec_millis());
    (millis + part).max(1)
}

/// Whole seconds, rounded up as connect-redis does, at least one.
pub(crate) fn seconds(ttl: Duration) -> u64 {
    let ttl = ttl.min(LONGEST);
    (ttl.as_secs() + u64::from(ttl.subsec_nanos() != 0)).max(1)
}

#[cfg(test)]
mod a_ttl {
    use super::*;

    #[test]
    fn is_rounded_up_and_never_zero() {
        for (nanos, in_millis, in_seconds) in [
            (0, 1, 1),
            (1, 1, 1),
            (1_000_000, 1, 1),
            (1_000_001, 2, 1),
            (999_999_999, 1000, 1),
            (1_000_000_000, 1000, 1),
            (1_000_000_001, 1001, 2),
            (30_000_000_000, 30_000, 30),
        ] {
            let ttl = Duration::from_nanos(nanos);
            assert_eq!((millis(ttl), seconds(ttl)), (in_millis, in_seconds));
        }
    }

    #[test]
    fn without_end_is_a_century() {
        assert_eq!(seconds(Duration::MAX), LONGEST.as_secs());
        assert_eq!(millis(Duration::MAX), LONGEST.as_secs() * 1000);
    }
}
