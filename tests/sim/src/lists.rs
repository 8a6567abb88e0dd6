//! The server lists that a server has kept beside its data (`node::membership_files`): what it is configured with, what
//! was in force since, what is proposed. Each is written whole, and durable before the core goes on; they are in no file of the
//! simulated disk, so that they stay where that is replaced, as a directory `conf` does.

use zab::quorum::Membership;

/// See the module.
#[derive(Debug, Clone)]
pub struct Lists {
    configured: Membership,
    /// `zoo.cfg.dynamic.VERSION`, oldest first.
    kept: Vec<Membership>,
    /// `zoo.cfg.dynamic.next`.
    next: Option<Membership>,
}

impl Lists {
    /// Those of a server that has never run.
    #[must_use]
    pub fn new(configured: Membership) -> Lists {
        Lists { configured, kept: Vec::new(), next: None }
    }

    /// The list that a start begins with.
    #[must_use]
    pub fn in_force(&self) -> &Membership {
        self.kept.last().unwrap_or(&self.configured)
    }

    /// The proposed list that a start finds.
    #[must_use]
    pub fn next(&self) -> Option<&Membership> {
        self.next.as_ref()
    }

    /// As `Reconfig::seen` and `MembershipFiles::keep_next`.
    pub fn keep_next(&mut self, membership: &Membership) {
        if membership.version > self.in_force().version {
            self.next = Some(membership.clone());
        }
    }

    /// As `MembershipFiles::keep_committed`.
    pub fn keep_in_force(&mut self, membership: &Membership) {
        self.kept.push(membership.clone());
        self.next.take_if(|next| next.version <= membership.version);
    }

    /// The last list that was written could not be, or an older file was put in its place. Answers whether there was one.
    pub fn go_stale(&mut self) -> bool {
        self.kept.pop().is_some()
    }

    /// The proposed list could not be written.
    pub fn forget_next(&mut self) {
        self.next = None;
    }
}
