//! Says in time that the numbers of sequential children come to their end: a parent's `cversion` is an int32 on the wire and in
//! the log. Once it stands at its end the same name is made for every sequential child, and all but the first are refused with
//! NODEEXISTS. (Under a leader of Apache's some get negative numbers, too.)

use std::collections::BTreeSet;

/// From here on it is said: 90 % of what there are.
const CVERSION_ALARM: i32 = (i32::MAX as i64 * 9 / 10) as i32;

/// Parents whose end has been announced, at most; an application with more has read it often enough.
const ANNOUNCED_MAX: usize = 64;

/// What has been said already, by this leader.
#[derive(Debug, Default)]
pub(super) struct Ceiling {
    announced: BTreeSet<Box<str>>,
}

impl Ceiling {
    /// A sequential child is about to be numbered by this. Says so once for each parent, and answers whether it has.
    pub(super) fn watch(&mut self, parent: &str, cversion: i32) -> bool {
        if cversion < CVERSION_ALARM || self.announced.len() == ANNOUNCED_MAX || self.announced.contains(parent) {
            return false;
        }
        self.announced.insert(parent.into());
        let left = i32::MAX - cversion;
        let parent = if parent.is_empty() { "/" } else { parent };
        tracing::warn!(
            parent,
            cversion,
            left,
            "sequential children of this znode come to the end of their numbers, and will be refused with NODEEXISTS; \
             hint: let the application move to a new parent, whose numbers begin at 0"
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parent_is_announced_once_and_not_without_end() {
        let mut ceiling = Ceiling::default();
        assert!(!ceiling.watch("/queue", CVERSION_ALARM - 1));
        assert!(ceiling.watch("/queue", CVERSION_ALARM));
        assert!(!ceiling.watch("/queue", i32::MAX));
        let announced = (0..1000).filter(|at| ceiling.watch(&format!("/q{at}"), i32::MAX)).count();
        assert_eq!(announced, ANNOUNCED_MAX - 1);
    }
}
