//! Quotas as the shell speaks of them: the letters of options, and what is over a limit. Their nodes and texts are the tree's.

use tree::quota::{Number, StatsTrack};

/// The options that name a number, in the order in which they are looked for.
pub const OPTIONS: [(&str, Number); 4] =
    [("n", Number::Count), ("b", Number::Bytes), ("N", Number::CountHardLimit), ("B", Number::ByteHardLimit)];

/// Whether what is used is more than a soft or a hard limit: of znodes, of bytes.
#[must_use]
pub fn exceeded(limits: &StatsTrack, used: &StatsTrack) -> (bool, bool) {
    let is_over = |limit: Number, of: Number| limits.get(limit) > -1 && limits.get(limit) < used.get(of);
    (
        is_over(Number::Count, Number::Count) || is_over(Number::CountHardLimit, Number::Count),
        is_over(Number::Bytes, Number::Bytes) || is_over(Number::ByteHardLimit, Number::Bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_exceeded() {
        let mut limits = StatsTrack::unlimited();
        let used = StatsTrack::of(5, 7);
        assert_eq!(exceeded(&limits, &used), (false, false));
        limits.set(Number::Count, 5);
        limits.set(Number::ByteHardLimit, 6);
        assert_eq!(exceeded(&limits, &used), (false, true));
    }
}
