//! Who may do what: identities, the check of an ACL, and what an ACL may say (`ZooKeeperServer.checkACL`,
//! `PrepRequestProcessor.fixupACL`, `DigestAuthenticationProvider`, `IPAuthenticationProvider`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::Digest;
use std::net::IpAddr;
use wire::{Acl, ErrorCode, Id, Perms};

/// The hash in a digest identity (`DigestAuthenticationProvider.digestAlg`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DigestAlgorithm {
    /// SHA-1, the default.
    #[default]
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// The algorithm of a Java name such as `SHA-256`, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DigestAlgorithm> {
        Some(match name.to_ascii_uppercase().as_str() {
            "SHA" | "SHA1" | "SHA-1" => DigestAlgorithm::Sha1,
            "SHA-224" => DigestAlgorithm::Sha224,
            "SHA-256" => DigestAlgorithm::Sha256,
            "SHA-384" => DigestAlgorithm::Sha384,
            "SHA-512" => DigestAlgorithm::Sha512,
            _ => return None,
        })
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            DigestAlgorithm::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            DigestAlgorithm::Sha224 => sha2::Sha224::digest(bytes).to_vec(),
            DigestAlgorithm::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            DigestAlgorithm::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            DigestAlgorithm::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// Which schemes there are and how they work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthSettings {
    /// Whether the digest scheme exists (`DigestAuthenticationProvider.enabled`).
    pub digest_enabled: bool,
    /// Its hash.
    pub digest_algorithm: DigestAlgorithm,
    /// `user:hash` of the super user (`DigestAuthenticationProvider.superDigest`).
    pub super_digest: Option<String>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        AuthSettings { digest_enabled: true, digest_algorithm: DigestAlgorithm::Sha1, super_digest: None }
    }
}

/// An auth packet proved nothing: the client is told AUTHFAILED and its connection closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no authentication provider for scheme {scheme:?}")]
pub struct AuthFailure {
    /// The scheme asked for.
    pub scheme: String,
}

/// The identities that an auth packet adds to its connection. `ip` adds nothing, because every connection has its address
/// as an identity from the start.
pub fn authenticate(scheme: &str, auth: &[u8], settings: &AuthSettings) -> Result<Vec<Id>, AuthFailure> {
    match scheme {
        "digest" if settings.digest_enabled => {
            let user_password = String::from_utf8_lossy(auth);
            let digest = digest_id(&user_password, settings.digest_algorithm);
            let mut ids = Vec::with_capacity(2);
            if settings.super_digest.as_deref() == Some(&digest) {
                ids.push(Id::new("super", ""));
            }
            ids.push(Id { scheme: "digest".to_owned(), id: digest });
            Ok(ids)
        }
        "ip" => Ok(Vec::new()),
        _ => Err(AuthFailure { scheme: scheme.chars().take(64).collect() }),
    }
}

/// `user:base64(hash(user:password))` (`DigestAuthenticationProvider.generateDigest`).
#[must_use]
pub fn digest_id(user_password: &str, algorithm: DigestAlgorithm) -> String {
    let user = user_password.split(':').next().unwrap_or_default();
    format!("{user}:{}", BASE64.encode(algorithm.hash(user_password.as_bytes())))
}

/// The identity every connection starts with: its peer's address as Java's `getHostAddress` writes it.
#[must_use]
pub fn ip_id(address: IpAddr) -> Id {
    let text = match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:x}")).join(":"),
    };
    Id { scheme: "ip".to_owned(), id: text }
}

/// Whether an ACL grants any of `wanted` (`ZooKeeperServer.checkACL`). `None` is the open ACL; an empty one grants
/// everything, as in Apache.
#[must_use]
pub fn is_allowed(acl: Option<&[Acl]>, wanted: Perms, identities: &[Id]) -> bool {
    let Some(acl) = acl else { return true };
    if acl.is_empty() || identities.iter().any(|id| id.scheme == "super") {
        return true;
    }
    acl.iter().filter(|entry| entry.perms.intersects(wanted)).any(|entry| {
        let Id { scheme, id } = &entry.id;
        match scheme.as_str() {
            "world" => id == "anyone",
            "ip" => identities.iter().any(|own| own.scheme == "ip" && ip_matches(&own.id, id)),
            "digest" => identities.iter().any(|own| own.scheme == "digest" && own.id == *id),
            _ => false,
        }
    })
}

/// The ACL that a create or setACL stores: duplicates dropped, `auth` replaced by the caller's identities, everything else
/// checked (`PrepRequestProcessor.fixupACL`).
pub fn fix_up(requested: Option<&[Acl]>, identities: &[Id], settings: &AuthSettings) -> Result<Vec<Acl>, ErrorCode> {
    let requested = requested.unwrap_or_default();
    if requested.is_empty() {
        return Err(ErrorCode::InvalidAcl);
    }
    let mut stored: Vec<Acl> = Vec::with_capacity(requested.len());
    for (at, entry) in requested.iter().enumerate() {
        if requested[..at].contains(entry) {
            continue;
        }
        let Id { scheme, id } = &entry.id;
        match scheme.as_str() {
            "world" if id == "anyone" => stored.push(entry.clone()),
            "auth" => {
                let before = stored.len();
                let proven = identities.iter().filter(|own| own.scheme == "digest" && settings.digest_enabled);
                stored.extend(proven.map(|own| Acl { perms: entry.perms, id: own.clone() }));
                if stored.len() == before {
                    return Err(ErrorCode::InvalidAcl);
                }
            }
            "digest" if settings.digest_enabled && is_digest_id(id) => stored.push(entry.clone()),
            "ip" if is_ip_id(id) => stored.push(entry.clone()),
            _ => return Err(ErrorCode::InvalidAcl),
        }
    }
    Ok(stored)
}

/// The ACL as callers without ADMIN see it: the hash of a digest is not theirs to read (`FinalRequestProcessor`, getACL).
pub(crate) fn masked(entry: &Acl) -> Option<String> {
    if entry.id.scheme != "digest" {
        return None;
    }
    entry.id.id.find(':').map(|colon| format!("{}:x", &entry.id.id[..colon]))
}

/// The user name that whoAmI shows (`AuthUtil.getUser`); empty where the scheme has no provider.
#[must_use]
pub fn user_name(id: &Id) -> &str {
    match id.scheme.as_str() {
        "digest" => id.id.split(':').next().unwrap_or_default(),
        "ip" => &id.id,
        _ => "",
    }
}

/// Splitting at `:` and dropping empty parts at the end must leave two parts, as Java's `split` does.
fn is_digest_id(id: &str) -> bool {
    let parts: Vec<&str> = id.split(':').collect();
    let kept = parts.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    kept == 2
}

fn is_ip_id(id: &str) -> bool {
    parse_cidr(id).is_some()
}

/// An address and how many of its bits count.
fn parse_cidr(text: &str) -> Option<(Vec<u8>, usize)> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let address = parse_address(address)?;
    let bits = match bits {
        None => address.len() * 8,
        Some(bits) => usize::try_from(bits.parse::<i32>().ok()?).ok()?,
    };
    if bits > address.len() * 8 { None } else { Some((address, bits)) }
}

fn parse_address(text: &str) -> Option<Vec<u8>> {
    if text.contains(':') { parse_v6(text) } else { parse_v4(text) }
}

fn parse_v4(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split('.').collect();
    if parts.len() != 4 {
        return None;
    }
    parts.iter().map(|part| part.parse::<i32>().ok().and_then(|value| u8::try_from(value).ok())).collect()
}

/// Eight groups, or fewer around one `::` (`IPAuthenticationProvider.parseV6addr`).
fn parse_v6(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = text.split("::").collect();
    let (front, back) = match parts[..] {
        [all] => (groups(all)?, Vec::new()),
        [front, back] => (groups(front)?, groups(back)?),
        _ => return None,
    };
    let given = front.len() + back.len();
    let complete = if parts.len() == 1 { given == 8 } else { given < 8 };
    if !complete {
        return None;
    }
    let gap = std::iter::repeat_n(0, 8 - given);
    Some(front.into_iter().chain(gap).chain(back).flat_map(u16::to_be_bytes).collect())
}

fn groups(text: &str) -> Option<Vec<u16>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let group = |group: &str| {
        let plain = (1..=4).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain { u16::from_str_radix(group, 16).ok() } else { None }
    };
    text.split(':').map(group).collect()
}

/// Whether an address lies in the network of an ACL.
fn ip_matches(address: &str, expression: &str) -> bool {
    let (Some((network, bits)), Some(address)) = (parse_cidr(expression), parse_address(address)) else { return false };
    if network.len() != address.len() {
        return false;
    }
    let whole = bits / 8;
    if network[..whole] != address[..whole] {
        return false;
    }
    let rest = bits % 8;
    rest == 0 || (network[whole] ^ address[whole]) >> (8 - rest) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_identities() {
        assert_eq!(digest_id("user1:12345", DigestAlgorithm::Sha1), "user1:+owfoSBn/am19roBPzR1/MfCblE=");
        let settings =
            AuthSettings { super_digest: Some("user1:+owfoSBn/am19roBPzR1/MfCblE=".into()), ..AuthSettings::default() };
        let ids = authenticate("digest", b"user1:12345", &settings).unwrap();
        assert_eq!(ids[0], Id::new("super", ""));
        assert_eq!(ids[1].scheme, "digest");
        assert!(authenticate("sasl", b"", &settings).is_err());
        assert_eq!(authenticate("ip", b"", &settings), Ok(vec![]));
        assert_eq!(DigestAlgorithm::from_name("sha-256"), Some(DigestAlgorithm::Sha256));
    }

    #[test]
    fn digest_ids_in_acls() {
        for (id, valid) in [("a:b", true), (":b", true), ("a:b:", true), ("a", false), ("a:", false), ("a:b:c", false)]
        {
            assert_eq!(is_digest_id(id), valid, "{id}");
        }
    }

    #[test]
    fn networks() {
        let check = |address: &str, expression: &str, expected: bool| {
            assert_eq!(ip_matches(address, expression), expected, "{address} in {expression}");
        };
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("10.1.2.3", "10.0.0.0/8", true);
        check("10.1.2.3", "0.0.0.0/0", true);
        check("10.1.2.3", "10.1.2.0/23", true);
        check("10.1.4.3", "10.1.2.0/23", false);
        check("10.1.2.3", "10.1.2.3/33", false);
        check("0:0:0:0:0:0:0:1", "::1", true);
        check("2001:db8:0:0:0:0:0:1", "2001:db8::/32", true);
        check("2001:db9:0:0:0:0:0:1", "2001:db8::/32", false);
        check("10.1.2.3", "::1", false);
        for (id, valid) in [
            ("1.2.3", false),
            ("1.2.3.256", false),
            ("1.2.3.4/32", true),
            ("1.2.3.4/-1", false),
            ("::", true),
            ("1::2::3", false),
            ("1:2:3:4:5:6:7:8:9", false),
            (":1:2:3:4:5:6:7:8", false),
            ("12345::", false),
            ("::1/129", false),
            ("localhost", false),
        ] {
            assert_eq!(is_ip_id(id), valid, "{id}");
        }
    }

    #[test]
    fn checks() {
        let entry = |perms: Perms, scheme: &str, id: &str| Acl { perms, id: Id::new(scheme, id) };
        let acl = [entry(Perms::READ, "world", "anyone"), entry(Perms::ALL, "digest", "u:h")];
        let user = [Id::new("ip", "1.2.3.4"), Id::new("digest", "u:h")];
        assert!(is_allowed(Some(&acl), Perms::READ, &[]));
        assert!(!is_allowed(Some(&acl), Perms::WRITE, &[]));
        assert!(is_allowed(Some(&acl), Perms::WRITE, &user));
        assert!(is_allowed(Some(&acl), Perms::WRITE, &[Id::new("super", "")]));
        assert!(is_allowed(None, Perms::WRITE, &[]));
        assert!(is_allowed(Some(&[]), Perms::WRITE, &[]));
        assert!(is_allowed(Some(&acl), Perms::READ.union(Perms::ADMIN), &[]));
    }

    #[test]
    fn fixing_up() {
        let entry = |scheme: &str, id: &str| Acl { perms: Perms::READ, id: Id::new(scheme, id) };
        let settings = AuthSettings::default();
        let user = [Id::new("ip", "1.2.3.4"), Id::new("digest", "u:h"), Id::new("super", "")];
        let check = |acl: &[Acl], ids: &[Id], expected: Result<Vec<Acl>, ErrorCode>| {
            assert_eq!(fix_up(Some(acl), ids, &settings), expected);
        };
        check(&[], &user, Err(ErrorCode::InvalidAcl));
        assert_eq!(fix_up(None, &user, &settings), Err(ErrorCode::InvalidAcl));
        check(&[entry("auth", "")], &user, Ok(vec![entry("digest", "u:h")]));
        check(&[entry("auth", "")], &user[..1], Err(ErrorCode::InvalidAcl));
        check(&[entry("world", "x")], &user, Err(ErrorCode::InvalidAcl));
        check(&[entry("super", "")], &user, Err(ErrorCode::InvalidAcl));
        check(&[entry("sasl", "x")], &user, Err(ErrorCode::InvalidAcl));
        let twice = [entry("world", "anyone"), entry("world", "anyone")];
        check(&twice, &[], Ok(vec![entry("world", "anyone")]));
    }

    #[test]
    fn peer_addresses() {
        assert_eq!(ip_id("::1".parse().unwrap()).id, "0:0:0:0:0:0:0:1");
        assert_eq!(ip_id("::ffff:1.2.3.4".parse().unwrap()).id, "1.2.3.4");
        assert_eq!(ip_id("127.0.0.1".parse().unwrap()).id, "127.0.0.1");
    }
}
