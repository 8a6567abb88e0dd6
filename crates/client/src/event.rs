//! What a session tells of itself: its state and its events, named as Java names them.

use std::fmt;

/// A session's state (`ZooKeeper.States`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// No server yet, or not any more.
    Connecting,
    /// A server serves reads and writes.
    Connected,
    /// A server without a quorum serves reads only.
    ConnectedReadOnly,
    /// The session was closed or has expired: the end.
    Closed,
    /// An identity was refused: the end.
    AuthFailed,
}

impl State {
    /// Whether the session may still (come to) work.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        !matches!(self, State::Closed | State::AuthFailed)
    }

    /// Whether a server serves it now.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        matches!(self, State::Connected | State::ConnectedReadOnly)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Connecting => "CONNECTING",
            State::Connected => "CONNECTED",
            State::ConnectedReadOnly => "CONNECTEDREADONLY",
            State::Closed => "CLOSED",
            State::AuthFailed => "AUTH_FAILED",
        })
    }
}

/// The session's state in an event (`Watcher.Event.KeeperState`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeeperState {
    /// The server was lost; the client looks for another.
    Disconnected,
    /// A server serves the session.
    SyncConnected,
    /// An identity was refused; the session ends.
    AuthFailed,
    /// A server without a quorum serves the session's reads.
    ConnectedReadOnly,
    /// The session has expired.
    Expired,
    /// The session was closed by this client.
    Closed,
}

impl KeeperState {
    /// The state of a number, as far as a server sends them; in fact it is always 3.
    #[must_use]
    pub const fn from_i32(value: i32) -> Option<KeeperState> {
        Some(match value {
            0 => KeeperState::Disconnected,
            3 => KeeperState::SyncConnected,
            4 => KeeperState::AuthFailed,
            5 => KeeperState::ConnectedReadOnly,
            7 => KeeperState::Closed,
            -112 => KeeperState::Expired,
            _ => return None,
        })
    }
}

impl fmt::Display for KeeperState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an event says (`Watcher.Event.EventType`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventType {
    /// Of the session, not of a node.
    None,
    /// The node was created.
    NodeCreated,
    /// The node was deleted.
    NodeDeleted,
    /// The node's data changed.
    NodeDataChanged,
    /// A child was created or deleted.
    NodeChildrenChanged,
    /// A data or exist watch was removed on request.
    DataWatchRemoved,
    /// A child watch was removed on request.
    ChildWatchRemoved,
    /// A persistent watch, recursive or not, was removed on request.
    PersistentWatchRemoved,
}

impl EventType {
    /// The type of a number that a server may send of a node; Java fails on any other.
    #[must_use]
    pub const fn from_i32(value: i32) -> Option<EventType> {
        Some(match value {
            1 => EventType::NodeCreated,
            2 => EventType::NodeDeleted,
            3 => EventType::NodeDataChanged,
            4 => EventType::NodeChildrenChanged,
            _ => return None,
        })
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An event of the session or of a watched node (`WatchedEvent`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The session's state.
    pub state: KeeperState,
    /// What happened.
    pub kind: EventType,
    /// The node's path without the chroot; `None` in a session's event.
    pub path: Option<String>,
    /// The zxid of the change, -1 where there is none or the server does not say.
    pub zxid: i64,
}

impl Event {
    /// The zxid of an event that has none (`WatchedEvent.NO_ZXID`).
    pub const NO_ZXID: i64 = -1;

    /// An event of the session.
    #[must_use]
    pub const fn session(state: KeeperState) -> Event {
        Event { state, kind: EventType::None, path: None, zxid: Event::NO_ZXID }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or("null");
        write!(f, "WatchedEvent state:{} type:{} path:{path} zxid: {}", self.state, self.kind, self.zxid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_as_in_java() {
        let connected = Event::session(KeeperState::SyncConnected);
        assert_eq!(connected.to_string(), "WatchedEvent state:SyncConnected type:None path:null zxid: -1");
        let changed = Event {
            state: KeeperState::SyncConnected,
            kind: EventType::NodeDataChanged,
            path: Some("/a".into()),
            zxid: 7,
        };
        assert_eq!(changed.to_string(), "WatchedEvent state:SyncConnected type:NodeDataChanged path:/a zxid: 7");
        assert_eq!(State::ConnectedReadOnly.to_string(), "CONNECTEDREADONLY");
        assert_eq!(State::AuthFailed.to_string(), "AUTH_FAILED");
    }
}
