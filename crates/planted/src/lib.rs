//! Bugs that are there only when the simulator asks for them.
//!
//! A harness that never caught a bug proves nothing. Where the code could plausibly be wrong in a way that loses data, it
//! asks `planted::is(Bug::...)` and then does the wrong thing. Without the feature `bugs` the answer is the constant `false`
//! and nothing of this is in the program.

mod bug;

pub use bug::Bug;

#[cfg(feature = "bugs")]
mod chosen {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is planted on this thread.
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }

    /// Plants one bug on this thread, or none. A simulation runs on one thread, so others do not notice.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }
}

#[cfg(feature = "bugs")]
pub use chosen::{is, plant};

/// Never.
#[cfg(not(feature = "bugs"))]
#[must_use]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}
