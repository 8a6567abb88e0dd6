//! `hand_over`: asks the leader to let another server lead.

use crate::admin::call::{Call, Reply};
use crate::admin::json::Json;
use crate::admin::state::Running;
use crate::admin::table::Answering;
use crate::inbox::Internal;
use crate::limits::COMMAND_PATIENCE;
use axum::body::Body;
use axum::http::StatusCode;
use replica::HandOverOutcome;
use std::sync::Arc;
use tokio::sync::oneshot;
use wire::ServerId;

/// The command. It is asked of the leader; another server says who leads.
pub fn hand_over(call: Call, running: Arc<Running>, _: Body) -> Answering {
    Box::pin(async move {
        let me = call.node.sid();
        let to = match target(&call) {
            Ok(to) => to,
            Err(reason) => {
                let answer = Answer::refused(StatusCode::BAD_REQUEST, me, reason);
                return answer.with_hint("POST .../hand_over?to=SID, or without a query".to_owned()).reply();
            }
        };
        let (answer, outcome) = oneshot::channel();
        match running.ask(Internal::HandOver { to, answer }, outcome, COMMAND_PATIENCE).await {
            Ok(outcome) => Answer::of(me, outcome).reply(),
            Err(reason) => Answer::refused(StatusCode::SERVICE_UNAVAILABLE, me, reason).reply(),
        }
    })
}

/// Who is to lead: nobody in particular, or `to=SID`.
fn target(call: &Call) -> Result<Option<ServerId>, String> {
    let Some(text) = call.query.only("to")? else { return Ok(None) };
    let sid = text.parse().map_err(|_| format!("to={text}: expected a server id, a whole number"))?;
    Ok(Some(ServerId(sid)))
}

/// What is answered.
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

    fn reply(self) -> Reply {
        let sid = |sid: Option<ServerId>| Json::from(sid.map(|sid| sid.0));
        Reply::of([
            ("from", self.from.0.into()),
            ("to", sid(self.to)),
            ("outcome", self.outcome.into()),
            ("leader", sid(self.leader)),
            ("reason", self.reason.into()),
            ("hint", self.hint.into()),
        ])
        .with_status(self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::call::Content;

    fn text(reply: Reply) -> (u16, String) {
        let Content::Fields(fields) = reply.content else { panic!("JSON is expected") };
        (reply.status.as_u16(), Json::Object(fields).compact())
    }

    #[test]
    fn a_refusal_names_who_leads() {
        let reason = "this server does not lead: server 2 does".to_owned();
        let answer = Answer::of(ServerId(3), HandOverOutcome::Refused { leader: Some(ServerId(2)), reason });
        assert_eq!(
            text(answer.reply()),
            (
                409,
                r#"{"from":3,"to":null,"outcome":"refused","leader":2,"reason":"this server does not lead: server 2 does","hint":"ask server 2, which leads"}"#
                    .to_owned()
            )
        );
        let done = Answer::of(ServerId(3), HandOverOutcome::HandedOver { to: ServerId(1) });
        assert_eq!(
            text(done.reply()),
            (200, r#"{"from":3,"to":1,"outcome":"handed over","leader":null,"reason":null,"hint":null}"#.to_owned())
        );
    }
}
