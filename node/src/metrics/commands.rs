//! Commands that change the ensemble, on the metrics port: `POST /commands/hand_over?to=SID`.
//!
//! Whoever may read figures may not therefore give orders: commands are taken from this machine alone unless
//! `admin.commandsFrom` says otherwise, and never from a web page, which a browser on this machine could show.

use super::http::Caller;
use crate::config::CommandsFrom;
use crate::inbox::Internal;
use crate::limits::COMMAND_PATIENCE;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use replica::HandOverOutcome;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use wire::ServerId;

/// The path of the command that hands the leadership over.
pub const HAND_OVER: &str = "/commands/hand_over";

/// Takes commands for a running server.
#[derive(Debug)]
pub struct Commands {
    /// This server.
    pub me: ServerId,
    /// From where they are taken.
    pub from: CommandsFrom,
    /// The driver's queue.
    pub internal: mpsc::Sender<Internal>,
}

/// The pages of commands.
pub(super) fn pages(commands: Arc<Commands>) -> Router {
    Router::new().route(HAND_OVER, post(hand_over)).with_state(commands)
}

async fn hand_over(
    State(commands): State<Arc<Commands>>,
    Extension(Caller(caller)): Extension<Caller>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    if let Err(refusal) = commands.admit(caller.ip(), &headers) {
        return refusal.into_response();
    }
    let to = match target(query.as_deref().unwrap_or_default()) {
        Ok(to) => to,
        Err(reason) => {
            let answer = Answer::refused(StatusCode::BAD_REQUEST, commands.me, reason);
            return answer.with_hint(format!("POST {HAND_OVER}?to=SID, or without a query")).into_response();
        }
    };
    tracing::info!(%caller, to = ?to.map(|to| to.0), "asked to hand over the leadership");
    let (answer, outcome) = oneshot::channel();
    let asked = async {
        commands.internal.send(Internal::HandOver { to, answer }).await.ok()?;
        outcome.await.ok()
    };
    match tokio::time::timeout(COMMAND_PATIENCE, asked).await {
        Ok(Some(outcome)) => Answer::of(commands.me, outcome).into_response(),
        Ok(None) => Answer::refused(StatusCode::SERVICE_UNAVAILABLE, commands.me, "this server stops".to_owned())
            .into_response(),
        Err(_) => {
            let reason = format!("no answer within {} s", COMMAND_PATIENCE.as_secs());
            Answer::refused(StatusCode::SERVICE_UNAVAILABLE, commands.me, reason).into_response()
        }
    }
}

/// Who is to lead: nobody in particular, or `to=SID`.
fn target(query: &str) -> Result<Option<ServerId>, String> {
    let mut to = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some(text) = pair.strip_prefix("to=") else {
            return Err(format!("unknown parameter {pair:?}: expected to=SID"));
        };
        let sid = text.parse().map_err(|_| format!("to={text}: expected a server id, a whole number"))?;
        if to.replace(ServerId(sid)).is_some() {
            return Err("to is given twice: expected one server id".to_owned());
        }
    }
    Ok(to)
}

impl Commands {
    fn admit(&self, caller: IpAddr, headers: &HeaderMap) -> Result<(), Answer> {
        let forbidden = |reason: String| Answer::refused(StatusCode::FORBIDDEN, self.me, reason);
        // Every browser says so of what a page sends; programs do not.
        if headers.contains_key(header::ORIGIN) {
            return Err(forbidden("commands are not taken from web pages".to_owned()));
        }
        match self.from {
            CommandsFrom::Any => Ok(()),
            CommandsFrom::Loopback if caller.to_canonical().is_loopback() => Ok(()),
            CommandsFrom::Loopback => Err(forbidden(format!("commands are taken from this machine alone, not from {caller}"))
                .with_hint("run `zookube-node hand-over` beside the server, or set admin.commandsFrom=any where the network keeps others away".to_owned())),
            CommandsFrom::None => Err(forbidden("commands are switched off".to_owned())
                .with_hint("admin.commandsFrom=loopback takes them from this machine".to_owned())),
        }
    }
}

/// What is answered, as JSON.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    from: ServerId,
    to: Option<ServerId>,
    outcome: &'static str,
    leader: Option<ServerId>,
    reason: Option<String>,
    hint: Option<String>,
}

impl Answer {
    fn refused(status: StatusCode, from: ServerId, reason: String) -> Answer {
        Answer { status, from, to: None, outcome: "refused", leader: None, reason: Some(reason), hint: None }
    }

    fn with_hint(self, hint: String) -> Answer {
        Answer { hint: Some(hint), ..self }
    }

    fn of(from: ServerId, outcome: HandOverOutcome) -> Answer {
        let conflict = |reason| Answer::refused(StatusCode::CONFLICT, from, reason);
        match outcome {
            HandOverOutcome::HandedOver { to } => Answer {
                status: StatusCode::OK,
                from,
                to: Some(to),
                outcome: "handed over",
                leader: None,
                reason: None,
                hint: None,
            },
            HandOverOutcome::SteppedDown { to, reason } => {
                Answer { outcome: "stepped down", to: Some(to), ..conflict(reason) }
                    .with_hint("another election decides; srvr of each server says who leads".to_owned())
            }
            HandOverOutcome::GivenUp { to, reason } => {
                Answer { outcome: "given up", to: Some(to), leader: Some(from), ..conflict(reason) }
                    .with_hint("a follower was slow to log; ask again, or name another server".to_owned())
            }
            HandOverOutcome::Refused { leader, reason } => {
                let hint = match leader {
                    Some(leader) if leader != from => format!("ask server {leader}, which leads"),
                    Some(_) => "without `to` the voter that has acknowledged most takes over".to_owned(),
                    None => "only the leader of an ensemble can hand over".to_owned(),
                };
                Answer { leader, ..conflict(reason) }.with_hint(hint)
            }
        }
    }

    fn json(&self) -> Value {
        let sid = |sid: Option<ServerId>| sid.map(|sid| sid.0);
        json!({
            "from": self.from.0,
            "to": sid(self.to),
            "outcome": self.outcome,
            "leader": sid(self.leader),
            "reason": self.reason,
            "hint": self.hint,
        })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let body = format!("{}\n", self.json());
        (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn commands(from: CommandsFrom) -> Commands {
        Commands { me: ServerId(3), from, internal: mpsc::channel(1).0 }
    }

    #[test]
    fn a_target_is_a_server_id_or_nobody() {
        assert_eq!(target(""), Ok(None));
        assert_eq!(target("to=2"), Ok(Some(ServerId(2))));
        for wrong in ["to=", "to=two", "to=1&to=2", "sid=2", "to=99999999999999999999"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn commands_come_from_where_the_configuration_says() {
        let status = |from, caller: &str| {
            let admitted = commands(from).admit(caller.parse().unwrap(), &HeaderMap::new());
            admitted.map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
        };
        for (from, here, elsewhere) in
            [(CommandsFrom::Loopback, 200, 403), (CommandsFrom::Any, 200, 200), (CommandsFrom::None, 403, 403)]
        {
            for caller in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
                assert_eq!(status(from, caller), here, "{from:?} {caller}");
            }
            for caller in ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1"] {
                assert_eq!(status(from, caller), elsewhere, "{from:?} {caller}");
            }
        }
    }

    #[test]
    fn a_web_page_gives_no_orders() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://localhost:7000"));
        let refusal = commands(CommandsFrom::Any).admit(IpAddr::from([127, 0, 0, 1]), &headers).unwrap_err();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn a_refusal_names_who_leads() {
        let reason = "this server does not lead: server 2 does".to_owned();
        let answer = Answer::of(ServerId(3), HandOverOutcome::Refused { leader: Some(ServerId(2)), reason });
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(
            answer.json(),
            json!({
                "from": 3, "to": null, "outcome": "refused", "leader": 2,
                "reason": "this server does not lead: server 2 does", "hint": "ask server 2, which leads",
            })
        );
        let done = Answer::of(ServerId(3), HandOverOutcome::HandedOver { to: ServerId(1) });
        assert_eq!((done.status, &done.json()["to"]), (StatusCode::OK, &json!(1)));
    }
}
