//! The superuser of an ensemble: who may change its configuration. Made once for each cluster and kept in a Secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use k8s_openapi::api::core::v1::Secret;
use sha1::{Digest, Sha1};
use std::collections::BTreeMap;
use std::fmt;

/// The name that ZooKeeper gives it.
const NAME: &str = "super";
/// Keys of the Secret.
const USERNAME: &str = "username";
const PASSWORD: &str = "password";
/// What servers are given: the password cannot be got back from it.
pub(crate) const DIGEST: &str = "digest";
/// Bytes of chance in a password.
const PASSWORD_BYTES: usize = 24;

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Superuser {
    password: String,
}

impl fmt::Debug for Superuser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Superuser(hidden)")
    }
}

impl Superuser {
    /// A new one, by chance.
    ///
    /// # Errors
    /// When the machine has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; PASSWORD_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self { password: URL_SAFE_NO_PAD.encode(bytes) })
    }

    /// Reads the Secret.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(secret: &Secret) -> Result<Self, String> {
        let bytes = secret.data.as_ref().and_then(|data| data.get(PASSWORD));
        let bytes = bytes.ok_or_else(|| format!("the key {PASSWORD} is missing"))?;
        let password = String::from_utf8(bytes.0.clone()).map_err(|_| format!("{PASSWORD} is no text"))?;
        if password.is_empty() || password.contains(':') {
            return Err(format!("{PASSWORD} is empty or has a colon"));
        }
        Ok(Self { password })
    }

    /// What the Secret holds.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, String> {
        let pairs = [(USERNAME, NAME.to_owned()), (PASSWORD, self.password.clone()), (DIGEST, self.digest())];
        pairs.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// Name and password, as `addauth digest` takes them.
    #[must_use]
    pub fn credentials(&self) -> String {
        format!("{NAME}:{}", self.password)
    }

    /// As Apache's `DigestAuthenticationProvider.generateDigest` has it.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("{NAME}:{}", STANDARD.encode(Sha1::digest(self.credentials())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    #[test]
    fn the_digest_is_apaches() {
        // The example of ZooKeeper's administrator's guide and of many posts: super:superpw.
        let user = Superuser { password: "superpw".to_owned() };
        assert_eq!(user.digest(), "super:g9oN2HttPfn8MMWJZ2r45Np/LIA=");
        assert_eq!(format!("{user:?}"), "Superuser(hidden)");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let user = Superuser::generate().unwrap();
        let data = user.data().into_iter().map(|(key, value)| (key, ByteString(value.into_bytes()))).collect();
        let secret = Secret { data: Some(data), ..Secret::default() };
        assert_eq!(Superuser::read(&secret), Ok(user.clone()));
        assert_ne!(Superuser::generate().unwrap(), user);
        assert!(Superuser::read(&Secret::default()).unwrap_err().contains("password is missing"));
        let empty = [("password".to_owned(), ByteString(Vec::new()))].into();
        assert!(Superuser::read(&Secret { data: Some(empty), ..Secret::default() }).is_err());
    }
}
