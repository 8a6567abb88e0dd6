//! Java properties in `JVMFLAGS`: how people of the official image set what has no variable of its own.

use super::environment::Environment;
use super::keys::{Lookup, look_up};
use super::problem::{Place, Report};
use super::source::Located;

/// The variables that reach Apache's command line, in its order: of a property that stands twice the last one counts.
const FLAGS: [&str; 2] = ["SERVER_JVMFLAGS", "JVMFLAGS"];
/// Properties that have no prefix.
const WITHOUT_PREFIX: [&str; 3] = ["jute.maxbuffer", "readonlymode.enabled", "znode.container."];
/// Keys that Apache takes from `zoo.cfg` only (`QuorumPeerConfig.parseProperties`); the property of that name is not read.
const ONLY_IN_THE_FILE: &str = "dataDir dataLogDir clientPort clientPortAddress secureClientPort secureClientPortAddress \
    localSessionsEnabled localSessionsUpgradingEnabled observerMasterPort clientPortListenBacklog tickTime \
    maxClientCnxns minSessionTimeout maxSessionTimeout initLimit syncLimit connectToLearnerMasterLimit \
    electionAlg quorumListenOnAllIPs peerType syncEnabled dynamicConfigFile autopurge.snapRetainCount \
    autopurge.purgeInterval standaloneEnabled reconfigEnabled sslQuorum portUnification \
    sslQuorumReloadCertFiles quorum.cnxn.threads.size multiAddress.enabled \
    multiAddress.reachabilityCheckTimeoutMs multiAddress.reachabilityCheckEnabled";

/// What the flags say.
#[derive(Debug, Default)]
pub(super) struct Flags {
    /// The properties that are keys.
    pub(super) entries: Vec<Located>,
    /// The variables that hold anything else.
    pub(super) ignored: Vec<&'static str>,
}

/// Reads the flags. They rank below everything else that sets a key, as properties do in Apache.
pub(super) fn read(environment: &Environment, report: &mut Report) -> Flags {
    let mut flags = Flags::default();
    for name in FLAGS {
        let place = Place::variable(name);
        let mut others = false;
        for word in environment.get(name).unwrap_or_default().split_whitespace() {
            match property(word) {
                Some((key, _)) if ONLY_IN_THE_FILE.split_whitespace().any(|only| only == key) => report.no_effect(
                    key,
                    &place,
                    "as a Java property it has none in Apache either; it belongs into zoo.cfg or ZOO_CFG_EXTRA",
                ),
                Some((key, value)) => {
                    flags.entries.push(Located { place: place.clone(), key: key.to_owned(), value: value.to_owned() });
                }
                None => others = true,
            }
        }
        if others {
            flags.ignored.push(name);
        }
    }
    flags
}

/// The key and value of `-Dzookeeper.key=value`. What the table does not know is none of our business.
fn property(word: &str) -> Option<(&str, &str)> {
    let word = word.trim_matches(['"', '\'']).strip_prefix("-D")?;
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let key = match name.strip_prefix("zookeeper.") {
        Some(key) if !WITHOUT_PREFIX.iter().any(|bare| key.starts_with(bare)) => key,
        None if WITHOUT_PREFIX.iter().any(|bare| name.starts_with(bare)) => name,
        _ => return None,
    };
    matches!(look_up(key), Lookup::Known(_)).then_some((key, value.trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_among_other_flags() {
        for (word, expected) in [
            ("-Dzookeeper.snapCount=5", Some(("snapCount", "5"))),
            ("\"-Dzookeeper.skipACL=yes\"", Some(("skipACL", "yes"))),
            ("-Djute.maxbuffer=0x400000", Some(("jute.maxbuffer", "0x400000"))),
            ("-Dreadonlymode.enabled=true", Some(("readonlymode.enabled", "true"))),
            ("-Dznode.container.maxPerMinute=7", Some(("znode.container.maxPerMinute", "7"))),
            ("-Dzookeeper.digest.enabled", Some(("digest.enabled", ""))),
            // Apache does not read these either.
            ("-Dzookeeper.jute.maxbuffer=5", None),
            ("-DsnapCount=5", None),
            ("-Dzookeeper.root.logger=INFO", None),
            ("-Xmx1g", None),
            ("-D", None),
        ] {
            assert_eq!(property(word), expected, "{word}");
        }
    }
}
