//! `owner`: whose ephemeral a znode is, who that is, and through which server it is connected. The question behind most alarms about
//! locks and leases.

use super::clients::session_id;
use super::server::hex;
use crate::admin::call::{Call, Reply, start_of};
use crate::admin::json::{Json, list};
use crate::admin::state::Running;
use crate::admin::table::Answering;
use crate::clock;
use crate::connection::Conn;
use crate::four_letter::text::operation_code;
use crate::notation::Plain;
use axum::body::Body;
use axum::http::StatusCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tree::acl;
use wire::acl::Id;
use wire::client::OpCode;
use wire::{ServerId, SessionId, Zxid};

/// The command. Only the leader knows through which other server a session is connected; so the leader is the one to ask.
pub fn owner(call: Call, running: Arc<Running>, _: Body) -> Answering {
    Box::pin(async move {
        let owned = match look_up(&call, &running) {
            Ok(owned) => owned,
            Err(refusal) => return refusal,
        };
        let session = owned.session;
        let server = match running.look(move |replica, _| replica.server_of(session)).await {
            Ok(server) => server,
            Err(reason) => return Reply::failed(StatusCode::SERVICE_UNAVAILABLE, reason),
        };
        let conns = running.shared.registry.list();
        let conn = conns.into_iter().rev().find(|conn| conn.session() == session);
        owned.reply(&call, &running, conn.as_deref(), server)
    })
}

/// An ephemeral.
#[derive(Debug)]
struct Owned {
    path: String,
    session: SessionId,
    timeout_ms: Option<i32>,
    ctime_ms: i64,
    czxid: Zxid,
}

fn look_up(call: &Call, running: &Running) -> Result<Owned, Reply> {
    const HOW: &str = "GET .../owner?path=/a/b, with % for what a URL cannot hold";
    let refused = |status, reason: String| Reply::refused(status, reason, HOW);
    let path = call.query.only("path").map_err(|reason| refused(StatusCode::BAD_REQUEST, reason))?;
    let path =
        path.ok_or_else(|| refused(StatusCode::BAD_REQUEST, "path is missing: expected path=/a/b".to_owned()))?;
    let shown = start_of(path);
    if !path.starts_with('/') {
        return Err(refused(StatusCode::BAD_REQUEST, format!("path={shown}: expected a path that begins with /")));
    }
    let tree = running.shared.tree.read();
    let (Some(session), Some(stat)) = (tree.session_of(path), tree.stat(path)) else {
        return Err(Reply::refused(
            StatusCode::NOT_FOUND,
            format!("there is no znode {shown} on this server"),
            "look at the names with ls; an ephemeral is gone as soon as its session is",
        ));
    };
    let Some(session) = session else {
        return Err(Reply::refused(
            StatusCode::NOT_FOUND,
            format!("{shown} is no ephemeral: it belongs to no session"),
            "dump lists all ephemerals by session",
        ));
    };
    let timeout_ms = tree.session_timeout(session);
    Ok(Owned { path: path.to_owned(), session, timeout_ms, ctime_ms: stat.ctime, czxid: Zxid(stat.czxid) })
}

impl Owned {
    fn reply(self, call: &Call, running: &Running, conn: Option<&Conn>, server: Option<ServerId>) -> Reply {
        // Who is connected here is known here, whoever leads.
        let server = if conn.is_some() { Some(call.node.sid()) } else { server };
        let mut reply = Reply::of([
            ("path", self.path.into()),
            ("session_id", session_id(self.session)),
            ("session_timeout", self.timeout_ms.into()),
            ("ctime", self.ctime_ms.into()),
            ("czxid", hex(self.czxid)),
            ("connected_here", conn.is_some().into()),
            ("server_id", server.map(|sid| sid.0).into()),
        ]);
        if let Some(conn) = conn {
            put_connection(&mut reply, running, conn);
        } else if let Some(hint) = hint(call, running, server) {
            reply.put("hint", hint);
        }
        reply
    }
}

fn put_connection(reply: &mut Reply, running: &Running, conn: &Conn) {
    let stats = &conn.stats;
    let operation = OpCode::from_i32(stats.last_opcode.load(Relaxed)).map(operation_code);
    let silent_ms = clock::mono().0 - stats.last_response.load(Relaxed);
    let identities = running.shared.tree.read().watcher_identities(conn.id);
    let identities = identities.iter().flat_map(|ids| ids.iter()).map(principal);
    reply.put("client_address", Plain(conn.peer).to_string());
    reply.put("established", conn.established.0);
    reply.put("last_operation", operation);
    reply.put("last_response_ms_ago", silent_ms.max(0));
    reply.put("principals", list(identities));
}

/// Scheme and name; of a digest the user without its hash.
fn principal(id: &Id) -> Json {
    match acl::user_name(id) {
        "" => Json::Text(id.scheme.clone()),
        name => Json::Text(format!("{}:{name}", id.scheme)),
    }
}

/// Where to ask on.
fn hint(call: &Call, running: &Running, server: Option<ServerId>) -> Option<String> {
    let status = running.shared.status();
    match (server, status.leader) {
        (Some(server), _) => Some(format!("ask server {server} who the client is")),
        (None, Some(leader)) if leader != call.node.sid() => {
            Some(format!("ask server {leader}, which leads and knows through which server the session is connected"))
        }
        (None, _) => Some(
            "nobody has heard of this session since this server began to lead; it expires unless its client comes back"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_shown_without_its_secret() {
        let shown = |scheme: &str, id: &str| principal(&Id::new(scheme, id)).compact();
        assert_eq!(shown("digest", "bob:hash="), "\"digest:bob\"");
        assert_eq!(shown("ip", "10.0.0.1"), "\"ip:10.0.0.1\"");
        assert_eq!(shown("super", ""), "\"super\"");
    }
}
