//! Why an operation failed, worded as `KeeperException` words it.

use std::fmt;
use wire::{DecodeError, ErrorCode};

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// An answer of the protocol, or the client's own in its place: connection loss, expiry, failed authentication.
    Api {
        /// The number of `KeeperException.Code`, known or not.
        code: i32,
        /// The path of the request as the caller gave it; `None` where Java names none.
        path: Option<String>,
    },
    /// The path is not one: the text of Java's `IllegalArgumentException`. Nothing was sent.
    Path(String),
    /// Another argument is not valid: the text of Java's `IllegalArgumentException`. Nothing was sent.
    Argument(String),
    /// The server's reply does not have the form of its record.
    Reply(DecodeError),
}

impl Error {
    /// The number of `KeeperException.Code`, where the error is one.
    #[must_use]
    pub const fn code(&self) -> Option<i32> {
        match self {
            Error::Api { code, .. } => Some(*code),
            Error::Path(_) | Error::Argument(_) | Error::Reply(_) => None,
        }
    }

    /// The path of the request that failed, where the error names one.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self {
            Error::Api { path, .. } => path.as_deref(),
            Error::Path(_) | Error::Argument(_) | Error::Reply(_) => None,
        }
    }

    /// Whether the error is this answer.
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code() == Some(code.code())
    }

    pub(crate) fn api(code: ErrorCode) -> Error {
        Error::Api { code: code.code(), path: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, path) = match self {
            Error::Api { code, path } => (*code, path.as_deref().unwrap_or_default()),
            Error::Path(text) | Error::Argument(text) => return f.write_str(text),
            Error::Reply(error) => return write!(f, "the server's reply cannot be read: {error}"),
        };
        match ErrorCode::from_i32(code) {
            None => write!(f, "The current client version cannot lookup this code:{code}"),
            // The two that Java knows the number of, but has no exception for.
            Some(ErrorCode::Ok | ErrorCode::UnknownSession) => write!(f, "Invalid exception code:{code}"),
            Some(known) if path.is_empty() => write!(f, "KeeperErrorCode = {}", message(known)),
            Some(known) => write!(f, "KeeperErrorCode = {} for {path}", message(known)),
        }
    }
}

impl std::error::Error for Error {}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Error {
        Error::Reply(error)
    }
}

/// `KeeperException.getCodeMessage`.
fn message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Ok => "ok",
        ErrorCode::SystemError => "SystemError",
        ErrorCode::RuntimeInconsistency => "RuntimeInconsistency",
        ErrorCode::DataInconsistency => "DataInconsistency",
        ErrorCode::ConnectionLoss => "ConnectionLoss",
        ErrorCode::MarshallingError => "MarshallingError",
        ErrorCode::NewConfigNoQuorum => "NewConfigNoQuorum",
        ErrorCode::ReconfigInProgress => "ReconfigInProgress",
        ErrorCode::Unimplemented => "Unimplemented",
        ErrorCode::OperationTimeout => "OperationTimeout",
        ErrorCode::BadArguments => "BadArguments",
        ErrorCode::ApiError => "APIError",
        ErrorCode::NoNode => "NoNode",
        ErrorCode::NoAuth => "NoAuth",
        ErrorCode::BadVersion => "BadVersion",
        ErrorCode::NoChildrenForEphemerals => "NoChildrenForEphemerals",
        ErrorCode::NodeExists => "NodeExists",
        ErrorCode::InvalidAcl => "InvalidACL",
        ErrorCode::AuthFailed => "AuthFailed",
        ErrorCode::NotEmpty => "Directory not empty",
        ErrorCode::SessionExpired => "Session expired",
        ErrorCode::InvalidCallback => "Invalid callback",
        ErrorCode::SessionMoved => "Session moved",
        ErrorCode::NotReadOnly => "Not a read-only call",
        ErrorCode::EphemeralOnLocalSession => "Ephemeral node on local session",
        ErrorCode::NoWatcher => "No such watcher",
        ErrorCode::ReconfigDisabled => "Reconfig is disabled",
        ErrorCode::SessionClosedRequireSaslAuth => "Session closed because client failed to authenticate",
        ErrorCode::QuotaExceeded => "Quota has exceeded",
        ErrorCode::ThrottledOp => "Op throttled due to high load",
        // Java has no words for these two and falls back to the constant's name.
        ErrorCode::RequestTimeout => "Unknown error REQUESTTIMEOUT",
        ErrorCode::UnknownSession => "Unknown error UNKNOWNSESSION",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_in_java() {
        let api = |code, path: Option<&str>| Error::Api { code, path: path.map(str::to_owned) }.to_string();
        assert_eq!(api(-101, Some("/a")), "KeeperErrorCode = NoNode for /a");
        assert_eq!(api(-101, None), "KeeperErrorCode = NoNode");
        assert_eq!(api(-101, Some("")), "KeeperErrorCode = NoNode");
        assert_eq!(api(-111, Some("/a")), "KeeperErrorCode = Directory not empty for /a");
        assert_eq!(api(-122, None), "KeeperErrorCode = Unknown error REQUESTTIMEOUT");
        assert_eq!(api(-126, Some("/a")), "The current client version cannot lookup this code:-126");
        assert_eq!(api(-12, None), "Invalid exception code:-12");
        assert_eq!(Error::Path("text".into()).to_string(), "text");
    }
}
