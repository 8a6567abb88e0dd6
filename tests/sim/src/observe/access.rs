//! Who may do what to a znode: the ACLs that simulated clients give, and the users they prove to be.

use wire::{Acl, Id, Perms};

/// Somebody with a password. A client is the same one on all of its connections, or nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    /// One.
    Ann,
    /// Another.
    Bob,
    /// The one who may do everything everywhere, and change the ensemble.
    Admin,
}

/// Whom the servers take for the one who may do everything (`DigestAuthenticationProvider.superDigest`).
pub const ADMIN: &str = "super:dhVvnC7X0Cxgf/8QQ1b8Q4zzeDQ=";

impl User {
    /// What an auth packet of the scheme `digest` says.
    #[must_use]
    pub fn secret(self) -> &'static str {
        match self {
            User::Ann => "ann:pw-ann",
            User::Bob => "bob:pw-bob",
            User::Admin => "super:pw-super",
        }
    }

    /// The identity it proves: the name and the SHA-1 of the secret in base64. Written down, not computed by the code that
    /// is examined.
    #[must_use]
    pub fn id(self) -> Id {
        Id::new(
            "digest",
            match self {
                User::Ann => "ann:pQaQiyEQ9FJDm+GbrBXDDcLEzvA=",
                User::Bob => "bob:BTRNYL8KcNNgC4a+msxZF+R1b34=",
                User::Admin => ADMIN,
            },
        )
    }

    /// The identity as it is shown to those who may not change the ACL.
    #[must_use]
    pub fn masked_id(self) -> Id {
        Id::new(
            "digest",
            match self {
                User::Ann => "ann:x",
                User::Bob => "bob:x",
                User::Admin => "super:x",
            },
        )
    }
}

/// An ACL that a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything to everyone.
    Open,
    /// Everything to everyone, and something to an address that nobody has: as open, but an ACL of its own.
    Marked(u16),
    /// Everything but ADMIN to everyone: nobody can change it again.
    NoAdmin,
    /// READ to everyone, and nothing else to anybody.
    ReadOnly,
    /// Everything to one user, nothing to others.
    Private(User),
    /// Everything to one user, READ to others.
    Shown(User),
    /// The scheme `auth`: everything to whoever asks, who must have proven to be somebody.
    Caller,
    /// None at all, which is refused.
    Missing,
}

fn everyone(perms: Perms) -> Acl {
    Acl { perms, id: Id::new("world", "anyone") }
}

fn to_user(user: User) -> Acl {
    Acl { perms: Perms::ALL, id: user.id() }
}

impl Access {
    /// The ACL as it is asked for.
    #[must_use]
    pub fn asked(self) -> Vec<Acl> {
        match self {
            Access::Open => vec![everyone(Perms::ALL)],
            Access::Marked(number) => {
                let [high, low] = number.to_be_bytes();
                let nobody = Id { scheme: "ip".to_owned(), id: format!("192.0.{high}.{low}") };
                vec![everyone(Perms::ALL), Acl { perms: Perms::READ, id: nobody }]
            }
            Access::NoAdmin => vec![everyone(Perms(Perms::ALL.0 & !Perms::ADMIN.0))],
            Access::ReadOnly => vec![everyone(Perms::READ)],
            Access::Private(user) => vec![to_user(user)],
            Access::Shown(user) => vec![everyone(Perms::READ), to_user(user)],
            Access::Caller => vec![Acl { perms: Perms::ALL, id: Id::new("auth", "") }],
            Access::Missing => Vec::new(),
        }
    }

    /// The ACL as it is stored when this one asks; nothing where that is refused.
    #[must_use]
    pub fn stored(self, caller: Option<User>) -> Option<Vec<Acl>> {
        match self {
            Access::Missing => None,
            Access::Caller => caller.map(|user| vec![to_user(user)]),
            other => Some(other.asked()),
        }
    }
}

/// Whether an ACL gives a caller any of these permissions. An empty one, which no client can give, refuses nothing.
#[must_use]
pub fn grants(acl: &[Acl], wanted: Perms, caller: Option<User>) -> bool {
    let is_caller = |id: &Id| match id.scheme.as_str() {
        "world" => true,
        "digest" => caller.is_some_and(|user| user.id() == *id),
        _ => false,
    };
    let is_free = acl.is_empty() || caller == Some(User::Admin);
    is_free || acl.iter().any(|entry| entry.perms.intersects(wanted) && is_caller(&entry.id))
}

/// An ACL as getACL shows it: who may not change it sees no hashes.
#[must_use]
pub fn shown(acl: &[Acl], caller: Option<User>) -> Vec<Acl> {
    if grants(acl, Perms::ADMIN, caller) {
        return acl.to_vec();
    }
    let users = [User::Ann, User::Bob];
    let mask = |entry: &Acl| match users.into_iter().find(|user| user.id() == entry.id) {
        Some(user) => Acl { perms: entry.perms, id: user.masked_id() },
        None => entry.clone(),
    };
    acl.iter().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The permissions by hand, and those of the servers' own code.
    #[test]
    fn permissions_are_the_servers() {
        let users = [None, Some(User::Ann), Some(User::Bob)];
        let accesses = [
            Access::Open,
            Access::Marked(0x0102),
            Access::NoAdmin,
            Access::ReadOnly,
            Access::Private(User::Ann),
            Access::Shown(User::Bob),
            Access::Caller,
            Access::Missing,
        ];
        let perms = [Perms::READ, Perms::WRITE, Perms::CREATE, Perms::DELETE, Perms::ADMIN];
        for (access, user) in accesses.into_iter().flat_map(|access| users.map(|user| (access, user))) {
            let ids: Vec<Id> = std::iter::once(Id::new("ip", "127.0.0.1")).chain(user.map(User::id)).collect();
            let stored = tree::acl::fix_up(Some(&access.asked()), &ids, &tree::acl::AuthSettings::default());
            assert_eq!(stored.as_ref().ok(), access.stored(user).as_ref(), "{access:?} of {user:?}");
            for (acl, wanted) in stored.iter().flat_map(|acl| perms.map(|wanted| (acl, wanted))) {
                let expected = tree::acl::is_allowed(Some(acl), wanted, &ids);
                assert_eq!(grants(acl, wanted, user), expected, "{access:?}, {wanted:?} to {user:?}");
            }
        }
        let settings = tree::acl::AuthSettings { super_digest: Some(ADMIN.to_owned()), ..Default::default() };
        let admin = tree::acl::authenticate("digest", User::Admin.secret().as_bytes(), &settings).unwrap_or_default();
        assert_eq!(admin, [Id::new("super", ""), User::Admin.id()]);
        for user in [User::Ann, User::Bob] {
            let proven = tree::acl::authenticate("digest", user.secret().as_bytes(), &Default::default());
            assert_eq!(proven, Ok(vec![user.id()]));
        }
    }

    #[test]
    fn hashes_are_for_those_who_may_change_them() {
        let acl = Access::Shown(User::Ann).asked();
        assert_eq!(shown(&acl, Some(User::Ann)), acl);
        let masked = [everyone(Perms::READ), Acl { perms: Perms::ALL, id: Id::new("digest", "ann:x") }];
        assert_eq!(shown(&acl, Some(User::Bob)), masked);
        assert_eq!(shown(&acl, None), masked);
    }
}
