//! Who may give orders.
//!
//! Whoever may read figures may not therefore change anything. What changes something is taken from this machine, or wherever
//! `admin.commandsFrom` says, and from elsewhere with an `Authorization` header as Apache's `snapshot` and `restore` have it
//! (`Commands.handleAuthentication`, `handleAuthorization`): a scheme and what proves an identity. It is never taken from a web page,
//! which a browser on this machine could show.

use super::call::Reply;
use super::state::{Node, Running};
use super::table::Access;
use crate::config::CommandsFrom;
use crate::settings;
use axum::http::{HeaderMap, StatusCode, header};
use std::net::IpAddr;
use tree::acl::{self, AuthSettings};
use wire::acl::{Acl, Id, Perms};

/// The texts of `Commands.runCommand`.
const NO_AUTH_INFO: &str = "Auth info is missing for the command";
const NOT_AUTHENTICATED: &str = "Not authenticated";
const NOT_AUTHORIZED: &str = "Not authorized";

/// The path whose ACL says who may do everything.
const ROOT: &str = "/";
/// What every browser says of where a page that asks came from; programs do not.
const FETCH_SITE: &str = "sec-fetch-site";

/// Decides whether a command is carried out.
///
/// # Errors
/// The refusal.
pub fn admit(
    access: Access,
    node: &Node,
    running: Option<&Running>,
    caller: IpAddr,
    headers: &HeaderMap,
) -> Result<(), Reply> {
    match access {
        Access::Everybody => Ok(()),
        Access::Operators => admit_operator(node, running, caller, headers),
        Access::AllOnRoot => {
            admit_at_all(node, headers)?;
            let Some(given) = headers.get(header::AUTHORIZATION) else {
                return Err(refused(StatusCode::UNAUTHORIZED, NO_AUTH_INFO));
            };
            // On a new `/`, which is open to the world, Apache takes these from everybody who sends any such header: all data of
            // the server, or another database in their place. From this machine that is as good as the data directory.
            let is_here = caller.to_canonical().is_loopback();
            prove(given.as_bytes(), node, running, caller, if is_here { Grants::Any } else { Grants::ByName })
        }
    }
}

/// Refuses what nobody may send.
fn admit_at_all(node: &Node, headers: &HeaderMap) -> Result<(), Reply> {
    if is_from_web_page(headers) {
        return Err(Reply::refused(
            StatusCode::FORBIDDEN,
            "commands are not taken from web pages",
            "use a program such as curl, or zookube-node hand-over",
        ));
    }
    if node.commands_from() == CommandsFrom::None {
        return Err(Reply::refused(
            StatusCode::FORBIDDEN,
            "commands are switched off",
            "admin.commandsFrom=loopback takes them from this machine",
        ));
    }
    Ok(())
}

fn admit_operator(node: &Node, running: Option<&Running>, caller: IpAddr, headers: &HeaderMap) -> Result<(), Reply> {
    admit_at_all(node, headers)?;
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        return prove(given.as_bytes(), node, running, caller, Grants::ByName);
    }
    let names = || node.config.membership.servers.values().flat_map(|spec| &spec.addresses);
    match node.commands_from() {
        CommandsFrom::Any => Ok(()),
        CommandsFrom::Loopback if !caller.to_canonical().is_loopback() => Err(Reply::refused(
            StatusCode::UNAUTHORIZED,
            NO_AUTH_INFO,
            format!(
                "commands are taken from this machine alone, not from {caller}: run `zookube-node hand-over` or curl beside the server, \
                     send `Authorization: digest user:password` of somebody whom the ACL of / names with all permissions, or set \
                     admin.commandsFrom=any where the network keeps others away"
            ),
        )),
        // A web page whose name was made to lead to this machine: its requests look like a program's but for that name.
        CommandsFrom::Loopback if !is_own_name(headers, names().map(|address| address.host.as_str())) => {
            Err(Reply::refused(
                StatusCode::FORBIDDEN,
                "commands are taken under a name of this machine",
                "write 127.0.0.1 or localhost in the URL",
            ))
        }
        CommandsFrom::Loopback | CommandsFrom::None => Ok(()),
    }
}

fn is_from_web_page(headers: &HeaderMap) -> bool {
    let follows_a_page = |site: &[u8]| site != b"none";
    headers.contains_key(header::ORIGIN)
        || headers.contains_key(header::REFERER)
        || headers.get(FETCH_SITE).is_some_and(|site| follows_a_page(site.as_bytes()))
}

/// Whether the `Host` is an address, `localhost`, the machine's name or that of a member.
fn is_own_name<'a>(headers: &HeaderMap, mut members: impl Iterator<Item = &'a str>) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || (!own.trim().is_empty() && name.eq_ignore_ascii_case(own.trim()))
        || members.any(|member| name.eq_ignore_ascii_case(member))
}

/// Which entries of the ACL count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grants {
    /// All, as in Apache.
    Any,
    /// Those that name somebody. What is given to the world, as all is on a new `/`, proves nothing about who asks.
    ByName,
}

/// What Apache does with the header of a command that asks for one. The super user is known before there is a tree to look at.
fn prove(given: &[u8], node: &Node, running: Option<&Running>, caller: IpAddr, grants: Grants) -> Result<(), Reply> {
    let Some(identities) = identities(given, caller, &settings::auth(&node.config)) else {
        tracing::warn!(%caller, "a command came with a proof of identity that is none");
        return Err(refused(StatusCode::UNAUTHORIZED, NOT_AUTHENTICATED));
    };
    if is_super(&identities) {
        return Ok(());
    }
    let Some(Running { shared, .. }) = running else {
        return Err(refused(StatusCode::UNAUTHORIZED, NOT_AUTHENTICATED));
    };
    let tree = shared.tree.read();
    let acl = tree.acl(ROOT).flatten();
    let open = shared.skip_acl && grants == Grants::Any;
    if open || has_all(acl, &identities, grants) {
        return Ok(());
    }
    let who = identities.iter().map(acl::user_name).collect::<Vec<_>>().join(" ");
    tracing::warn!(%caller, who, "a command came from somebody who may not give it");
    Err(refused(StatusCode::FORBIDDEN, NOT_AUTHORIZED))
}

/// Splits as Java's `split(" ")` does: a scheme alone, or a scheme and one word.
fn identities(given: &[u8], caller: IpAddr, settings: &AuthSettings) -> Option<Vec<Id>> {
    let text = std::str::from_utf8(given).ok()?.trim_end_matches(' ');
    match text.split(' ').collect::<Vec<_>>()[..] {
        // The address of the connection is the identity, whatever follows the scheme.
        ["ip"] | ["ip", _] => Some(vec![acl::ip_id(caller)]),
        [scheme, auth] => acl::authenticate(scheme, auth.as_bytes(), settings).ok().filter(|ids| !ids.is_empty()),
        _ => None,
    }
}

/// Whether these identities have every permission. Each of them may come from another entry.
fn has_all(acl: Option<&[Acl]>, identities: &[Id], grants: Grants) -> bool {
    if is_super(identities) {
        return true;
    }
    let named: Vec<Acl> = acl.unwrap_or_default().iter().filter(|entry| entry.id.scheme != "world").cloned().collect();
    let acl = match grants {
        Grants::Any => acl,
        Grants::ByName if named.is_empty() => return false,
        Grants::ByName => Some(&named[..]),
    };
    EVERY.iter().all(|wanted| acl::is_allowed(acl, *wanted, identities))
}

fn is_super(identities: &[Id]) -> bool {
    identities.iter().any(|id| id.scheme == "super")
}

/// Every permission by itself.
const EVERY: [Perms; 5] = [Perms::READ, Perms::WRITE, Perms::CREATE, Perms::DELETE, Perms::ADMIN];

fn refused(status: StatusCode, text: &str) -> Reply {
    Reply::failed(status, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::state::testing;
    use axum::http::HeaderValue;

    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn ids(text: &str) -> Option<Vec<Id>> {
        identities(text.as_bytes(), ELSEWHERE, &AuthSettings::default())
    }

    fn entry(perms: Perms, scheme: &str, id: &str) -> Acl {
        Acl { perms, id: Id::new(scheme, id) }
    }

    #[test]
    fn a_proof_is_read_as_in_apache() {
        assert_eq!(ids("ip"), Some(vec![Id::new("ip", "10.0.0.1")]));
        assert_eq!(ids("ip 127.0.0.1"), Some(vec![Id::new("ip", "10.0.0.1")]), "the connection counts, not the word");
        assert_eq!(ids("digest bob:x").map(|ids| ids[0].scheme.clone()), Some("digest".to_owned()));
        for none in [
            "",
            " ",
            "digest",
            "Digest bob:x",
            "Basic Ym9iOng=",
            "digest  bob:x",
            "digest a b",
            "world anyone",
            "super x",
        ] {
            assert_eq!(ids(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_the_world_may_do_is_no_proof() {
        let bob = ids("digest bob:x").unwrap();
        let name = bob[0].id.clone();
        let check = |acl: Option<&[Acl]>, any: bool, by_name: bool| {
            assert_eq!(has_all(acl, &bob, Grants::Any), any, "{acl:?}");
            assert_eq!(has_all(acl, &bob, Grants::ByName), by_name, "{acl:?}");
        };
        check(None, true, false);
        check(Some(&[entry(Perms::ALL, "world", "anyone")]), true, false);
        check(Some(&[entry(Perms::READ, "world", "anyone"), entry(Perms::ALL, "digest", &name)]), true, true);
        check(Some(&[entry(Perms::READ, "digest", &name)]), false, false);
        check(Some(&[entry(Perms::ALL, "digest", "alice:hash")]), false, false);
        check(Some(&[entry(Perms::ALL, "ip", "10.0.0.1")]), false, false);
        assert!(has_all(Some(&[entry(Perms::READ, "digest", "x:y")]), &[Id::new("super", "")], Grants::ByName));
    }

    #[test]
    fn permissions_may_come_from_several_entries() {
        let bob = ids("digest bob:x").unwrap();
        let id = &bob[0].id;
        let each: Vec<Acl> = EVERY.iter().map(|perms| entry(*perms, "digest", id)).collect();
        assert!(has_all(Some(&each), &bob, Grants::ByName));
        assert!(!has_all(Some(&each[1..]), &bob, Grants::ByName));
    }

    #[test]
    fn a_web_page_is_known_by_its_headers() {
        let from_page = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            is_from_web_page(&headers)
        };
        assert!(from_page("origin", "http://localhost:7000"));
        assert!(from_page("referer", "http://example.org/"));
        assert!(from_page("sec-fetch-site", "cross-site") && from_page("sec-fetch-site", "same-origin"));
        assert!(!from_page("sec-fetch-site", "none"), "typed by somebody");
        assert!(!from_page("user-agent", "curl"));
    }

    #[test]
    fn from_elsewhere_a_proof_is_needed() {
        const SUPER: &str = "DigestAuthenticationProvider.superDigest=super:lK75jTNcA+U9vtVEw5vB51mj/w4=";
        let node = testing::node(SUPER);
        let running = testing::running(&node);
        let status = |caller: IpAddr, proof: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(proof) = proof {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_str(proof).unwrap());
            }
            let admitted = admit(Access::Operators, &node, Some(&running), caller, &headers);
            admitted.map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
        };
        for here in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(status(here.parse().unwrap(), None), 200, "{here}");
        }
        for elsewhere in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
            let caller = elsewhere.parse().unwrap();
            assert_eq!(status(caller, None), 401, "{elsewhere}");
            assert_eq!(status(caller, Some("digest bob:x")), 403, "{elsewhere}");
            assert_eq!(status(caller, Some("ip")), 403, "{elsewhere}");
            assert_eq!(status(caller, Some("Basic x")), 401, "{elsewhere}");
            assert_eq!(status(caller, Some("digest super:secret")), 200, "{elsewhere}");
        }
        // Also while the data directory, and with it every ACL, is read.
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("digest super:secret"));
        for access in [Access::Operators, Access::AllOnRoot] {
            assert!(admit(access, &node, None, ELSEWHERE, &headers).is_ok(), "{access:?}");
        }
        let open = testing::node("admin.commandsFrom=any");
        assert!(admit(Access::Operators, &open, None, ELSEWHERE, &HeaderMap::new()).is_ok());
        let closed = testing::node("admin.commandsFrom=none");
        assert!(admit(Access::Operators, &closed, None, [127, 0, 0, 1].into(), &HeaderMap::new()).is_err());
    }

    /// As Apache has it: everybody must say who they are, and on an open `/` everybody may; but only from this machine.
    #[test]
    fn all_on_root_is_asked_of_everybody() {
        let node = testing::node("");
        let running = testing::running(&node);
        let mut headers = HeaderMap::new();
        let here = IpAddr::from([127, 0, 0, 1]);
        let ask = |headers: &HeaderMap| admit(Access::AllOnRoot, &node, Some(&running), here, headers);
        assert_eq!(ask(&headers).unwrap_err().status, StatusCode::UNAUTHORIZED);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("digest bob:x"));
        assert!(ask(&headers).is_ok());
        let elsewhere = admit(Access::AllOnRoot, &node, Some(&running), ELSEWHERE, &headers);
        assert_eq!(elsewhere.unwrap_err().status, StatusCode::FORBIDDEN);
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://example.org"));
        assert_eq!(ask(&headers).unwrap_err().status, StatusCode::FORBIDDEN);
        let closed = testing::node("admin.commandsFrom=none");
        let running = testing::running(&closed);
        assert!(admit(Access::AllOnRoot, &closed, Some(&running), here, &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_name_of_this_machine_is_asked_for() {
        let own = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            is_own_name(&headers, ["zk1"].into_iter())
        };
        for name in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "10.0.0.1", "zk1:8080"] {
            assert!(own(name), "{name}");
        }
        for name in ["rebound.example.org:8080", "localhost.example.org", "", "zk2"] {
            assert!(!own(name), "{name}");
        }
        assert!(is_own_name(&HeaderMap::new(), std::iter::empty()), "a client of HTTP/1.0");
    }
}
