//! Commands that make figures begin anew, or clients move.

use crate::admin::call::{Call, Reply};
use crate::admin::state::Running;
use crate::admin::table::Answering;
use crate::connection::Conn;
use crate::limits::COMMAND_BODY_BYTES_MAX;
use axum::body::Body;
use axum::http::StatusCode;
use replica::CloseReason;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use wire::SessionId;

/// `CnxnStatResetCommand`.
pub fn connection_stat_reset(_: &Call, running: &Running) -> Reply {
    for conn in running.shared.registry.list() {
        conn.stats.reset();
    }
    Reply::default()
}

/// `StatResetCommand`.
pub fn stat_reset(_: &Call, running: &Running) -> Reply {
    running.shared.stats.reset();
    Reply::default()
}

/// `ShedConnectionsCommand` of Apache 3.10: closes a share of the connections, which ones is left to chance. Their sessions live on,
/// wherever the clients connect next; a client that comes back to this server may be shed again.
pub fn shed_connections(call: Call, running: Arc<Running>, body: Body) -> Answering {
    Box::pin(async move {
        let asked = match call.query.get("percentage") {
            Some(text) => percentage_of(text),
            None => percentage_in(body).await,
        };
        match asked {
            Ok(percentage) => {
                let shed = shed(&running, percentage);
                tracing::info!(caller = %call.caller, percentage, shed, "closed client connections by order");
                Reply::of([("connections_shed", shed.into()), ("percentage_requested", percentage.into())])
            }
            Err(reason) => Reply::error(reason).with_status(StatusCode::BAD_REQUEST),
        }
    })
}

fn percentage_of(text: &str) -> Result<u8, String> {
    let number = text
        .trim()
        .parse()
        .map_err(|_| format!("percentage: expected a whole number from 0 to 100, found {text:?}"))?;
    within_bounds(number)
}

async fn percentage_in(body: Body) -> Result<u8, String> {
    const INVALID: &str = "Invalid JSON or failed to read request body";
    let bytes =
        axum::body::to_bytes(body, COMMAND_BODY_BYTES_MAX).await.map_err(|error| format!("{INVALID}: {error}"))?;
    if bytes.is_empty() {
        return Err("Request body is required".to_owned());
    }
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| format!("{INVALID}: {error}"))?;
    let field = value.get("percentage").ok_or("Missing required field: percentage")?;
    let number =
        field.as_i64().ok_or_else(|| format!("percentage: expected a whole number from 0 to 100, found {field}"))?;
    within_bounds(number)
}

fn within_bounds(number: i64) -> Result<u8, String> {
    let bounded = u8::try_from(number).ok().filter(|number| *number <= 100);
    bounded.ok_or_else(|| "Percentage must be between 0 and 100".to_owned())
}

fn shed(running: &Running, percentage: u8) -> usize {
    let mut conns = running.shared.registry.list();
    conns.retain(|conn| conn.session() != SessionId::NONE);
    let wanted = share(conns.len(), percentage);
    let chance = RandomState::new();
    conns.sort_by_cached_key(|conn| chance.hash_one(conn.id));
    for conn in &conns[..wanted] {
        close(conn);
    }
    wanted
}

/// The share of a number, to the nearest.
fn share(of: usize, percentage: u8) -> usize {
    (of * usize::from(percentage) + 50) / 100
}

fn close(conn: &Conn) {
    // Whether it must be woken is asked of the driver, which wakes many at once; here it is one.
    let _ = conn.outbox.close(CloseReason::Shed);
    conn.outbox.wake();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_to_the_nearest() {
        for (of, percentage, expected) in
            [(0, 100, 0), (3, 0, 0), (3, 100, 3), (3, 50, 2), (4, 25, 1), (200, 1, 2), (1, 49, 0)]
        {
            assert_eq!(share(of, percentage), expected, "{percentage}% of {of}");
        }
    }

    #[tokio::test]
    async fn the_percentage_is_checked() {
        let body = async |text: &'static str| percentage_in(Body::from(text)).await;
        assert_eq!(body("{\"percentage\": 25}").await, Ok(25));
        assert_eq!(body("").await, Err("Request body is required".to_owned()));
        assert_eq!(body("{}").await, Err("Missing required field: percentage".to_owned()));
        assert_eq!(body("{\"percentage\": 101}").await, Err("Percentage must be between 0 and 100".to_owned()));
        assert!(body("{\"percentage\": \"many\"}").await.unwrap_err().contains("found \"many\""));
        assert!(body("nonsense").await.unwrap_err().starts_with("Invalid JSON or failed to read request body: "));
        let long = "x".repeat(COMMAND_BODY_BYTES_MAX + 1);
        assert!(percentage_in(Body::from(long)).await.is_err());
        assert_eq!((percentage_of("100"), percentage_of("0")), (Ok(100), Ok(0)));
        assert!(percentage_of("-1").is_err() && percentage_of("1e1").is_err());
    }
}
