//! Why a command failed: Apache's words (`CliWrapperException`), the exit code, and the remedy that Apache does not name.

use client::Error;
use std::fmt;
use wire::ErrorCode;

/// Exit code of a command that failed (`CliException.DEFAULT_EXCEPTION_EXIT_CODE`).
pub const FAILED: u8 = 1;
/// Exit code where there is no such command (`CommandNotFoundException`).
pub const NO_SUCH_COMMAND: u8 = 127;

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Apache's words; empty where they have been written already.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
    /// The exit code of a shell that does nothing else.
    pub code: u8,
}

impl Failure {
    /// A failure with these words and no remedy.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), hint: None, code: FAILED }
    }

    /// One that was told of already, or has nothing to tell but its exit code.
    #[must_use]
    pub fn silent(code: u8) -> Failure {
        Failure { text: String::new(), hint: None, code }
    }

    /// With a remedy.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }

    /// What a server, or a client on the way to one, had against it; `hosts` are those that were asked.
    #[must_use]
    pub fn of(error: &Error, hosts: &str) -> Failure {
        let failure = Failure::new(wrapped(error));
        let Some(code) = error.code() else { return failure };
        Failure { hint: remedy(code, error.path().unwrap_or_default(), hosts), ..failure }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

/// `CliWrapperException.getMessage`.
fn wrapped(error: &Error) -> String {
    // As Java writes a null reference.
    let path = error.path().unwrap_or("null");
    match error.code().and_then(ErrorCode::from_i32) {
        Some(ErrorCode::NoNode) => format!("Node does not exist: {path}"),
        Some(ErrorCode::NoChildrenForEphemerals) => format!("Ephemerals cannot have children: {path}"),
        Some(ErrorCode::NodeExists) => format!("Node already exists: {path}"),
        Some(ErrorCode::NotEmpty) => format!("Node not empty: {path}"),
        Some(ErrorCode::NotReadOnly) => format!("Not a read-only call: {path}"),
        Some(ErrorCode::InvalidAcl) => format!("Acl is not valid : {path}"),
        Some(ErrorCode::NoAuth) => format!("Insufficient permission : {path}"),
        Some(ErrorCode::BadArguments) => format!("Arguments are not valid : {path}"),
        Some(ErrorCode::BadVersion) => format!("version No is not valid : {path}"),
        Some(ErrorCode::QuotaExceeded) => format!("Quota has exceeded : {path}"),
        Some(ErrorCode::ReconfigInProgress) => {
            "Another reconfiguration is in progress -- concurrent reconfigs not supported (yet)".to_owned()
        }
        Some(ErrorCode::NewConfigNoQuorum) => {
            "No quorum of new config is connected and up-to-date with the leader of last \
             commmitted config - try invoking reconfiguration after new servers are connected and synced"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// What helps against an error, if anything does.
fn remedy(code: i32, path: &str, hosts: &str) -> Option<String> {
    let parent = path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
    Some(match ErrorCode::from_i32(code)? {
        ErrorCode::NoNode => format!("`ls {parent}` shows what is there; a parent must be created before its children"),
        ErrorCode::NodeExists => format!("`set {path} ...` replaces its data, `create -s {path}...` appends a number"),
        ErrorCode::NotEmpty => format!("`deleteall {path}` deletes what is below it, too"),
        ErrorCode::NoAuth => {
            format!("`addauth SCHEME AUTH` says who you are; `getAcl {path}` shows whom the server lets do this")
        }
        ErrorCode::BadVersion => format!("somebody has changed it meanwhile; `stat {path}` shows its versions"),
        ErrorCode::InvalidAcl => {
            "an ACL is scheme:id:perms, such as world:anyone:r or digest:NAME:HASH:cdrwa; `auth` needs \
             `addauth` first"
                .to_owned()
        }
        ErrorCode::NoChildrenForEphemerals => format!("{parent} ends with its session; create it without -e"),
        ErrorCode::QuotaExceeded => {
            "`listquota` shows the quota of each path above it, `setquota` changes one".to_owned()
        }
        ErrorCode::NotReadOnly => {
            "this server has lost its quorum and can only be read; connect to one that has it, or wait".to_owned()
        }
        ErrorCode::ConnectionLoss => {
            format!(
                "no server at {hosts} answered, so it may have been done or not; `zkServer.sh status` there says why"
            )
        }
        ErrorCode::SessionExpired => {
            "the session is over, and its ephemerals and watches with it; `connect` begins another".to_owned()
        }
        ErrorCode::AuthFailed => "a server did not accept what `addauth` said; `connect`, and say it anew".to_owned(),
        ErrorCode::Unimplemented => {
            "the server does not do this; times to live need extendedTypesEnabled=true there".to_owned()
        }
        ErrorCode::ReconfigDisabled => "the servers need reconfigEnabled=true".to_owned(),
        ErrorCode::ReconfigInProgress => "try again when it is over; `config` shows what is in force".to_owned(),
        ErrorCode::NewConfigNoQuorum => {
            "start the new servers first: they join as learners and are let in when they have the data".to_owned()
        }
        ErrorCode::ThrottledOp => "the server has too much to do; try again".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32, path: Option<&str>) -> Failure {
        Failure::of(&Error::Api { code, path: path.map(str::to_owned) }, "zk1:2181")
    }

    #[test]
    fn words_are_apaches() {
        assert_eq!(failure(-101, Some("/a")).text, "Node does not exist: /a");
        assert_eq!(failure(-102, Some("/a")).text, "Insufficient permission : /a");
        assert_eq!(failure(-4, Some("/a")).text, "KeeperErrorCode = ConnectionLoss for /a");
        assert_eq!(failure(-4, None).text, "KeeperErrorCode = ConnectionLoss");
        assert_eq!(Failure::of(&Error::Path("Path must start with / character".to_owned()), "").hint, None);
    }

    #[test]
    fn remedies_name_the_place() {
        assert!(failure(-101, Some("/a/b")).hint.unwrap().starts_with("`ls /a`"));
        assert!(failure(-101, Some("/a")).hint.unwrap().starts_with("`ls /`"));
        assert!(failure(-4, None).hint.unwrap().contains("zk1:2181"));
    }
}
