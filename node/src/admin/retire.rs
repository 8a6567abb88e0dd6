//! `POST /v1/retire?configVersion=0x…`: a server that has left its ensemble stamps its volume, stops, and waits to be ended.
//!
//! Who has the answer knows that the stamp is on disk. The order may be given again, also to a server that has stopped.

use super::auth;
use super::call::{Query, Reply, start_of};
use super::state::Node;
use super::table::Access;
use crate::http::Caller;
use crate::inbox::Internal;
use crate::limits::COMMAND_PATIENCE;
use crate::retire::{Refusal, Retire};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The page.
pub fn pages(node: Arc<Node>) -> Router {
    Router::new().route("/v1/retire", post(retire)).with_state(node)
}

async fn retire(
    State(node): State<Arc<Node>>,
    Extension(Caller(caller)): Extension<Caller>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    carried_out(&node, caller, &head).await.unwrap_or_else(|refusal| refusal).plain()
}

async fn carried_out(node: &Node, caller: SocketAddr, head: &Parts) -> Result<Reply, Reply> {
    let running = node.running();
    auth::admit(Access::Operators, node, running.as_deref(), caller.ip(), &head.headers)?;
    let version = version(head.uri.query().unwrap_or_default()).map_err(|reason| {
        Reply::refused(
            StatusCode::BAD_REQUEST,
            reason,
            "POST /v1/retire?configVersion=0x100000007, without the server in it",
        )
    })?;
    let running = running.ok_or_else(|| {
        let reason = "the data directory is being read";
        Reply::refused(StatusCode::SERVICE_UNAVAILABLE, reason, "wait; /startupz tells how far it is")
    })?;
    tracing::info!(%caller, version = format_args!("{version:#x}"), "an order to retire");
    if let Some(retired_at) = node.volume.retired_at() {
        return again(node, retired_at, version);
    }
    let (answer, outcome) = oneshot::channel();
    let order = Retire { version, volume: node.volume.clone(), answer };
    match running.ask(Internal::Retire(order), outcome, COMMAND_PATIENCE).await {
        Ok(Ok(retired_at)) => again(node, retired_at, version),
        Ok(Err(refusal)) => {
            tracing::warn!("refused to retire: {refusal}");
            let status = match refusal {
                Refusal::Stamp(_) => StatusCode::INTERNAL_SERVER_ERROR,
                Refusal::Stops => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::CONFLICT,
            };
            Err(Reply::refused(status, refusal.to_string(), refusal.hint()))
        }
        Err(reason) => match node.volume.retired_at() {
            // By another order, which was quicker.
            Some(retired_at) => again(node, retired_at, version),
            None => Err(Reply::refused(StatusCode::SERVICE_UNAVAILABLE, reason, "ask again")),
        },
    }
}

/// The answer of a server that has retired. Whoever names an earlier configuration speaks of another time that it left.
fn again(node: &Node, retired_at: i64, asked: i64) -> Result<Reply, Reply> {
    if asked < retired_at {
        let reason =
            format!("this server was retired at configuration {retired_at:#x}, which is later than {asked:#x}");
        return Err(Reply::refused(
            StatusCode::CONFLICT,
            reason,
            "read /v1/status, and name the configuration that is committed now",
        ));
    }
    Ok(Reply::of([("sid", node.sid().0.into()), ("retiredAt", format!("{retired_at:#x}").into())]))
}

fn version(query: &str) -> Result<i64, String> {
    let query = Query::parse(query)?;
    let text = query.only("configVersion")?.ok_or("configVersion is missing")?;
    let digits = text.strip_prefix("0x").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let version = digits.and_then(|digits| i64::from_str_radix(digits, 16).ok()).filter(|version| *version > 0);
    version.ok_or_else(|| format!("configVersion={}: expected a version such as 0x100000007", start_of(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_positive_hexadecimal_number() {
        assert_eq!(version("configVersion=0x1000000aF"), Ok(0x1_0000_00af));
        assert_eq!(version("configVersion=0x7fffffffffffffff"), Ok(i64::MAX));
        for wrong in [
            "",
            "configVersion=",
            "configVersion=100000007",
            "configVersion=0x",
            "configVersion=0x0",
            "configVersion=0x-1",
            "configVersion=0x%2B1",
            "configVersion=0x8000000000000000",
            "configVersion=0x1&configVersion=0x1",
            "version=0x1",
        ] {
            assert!(version(wrong).is_err(), "{wrong}");
        }
    }
}
