//! From a URL to a command and back (`JettyAdminServer.CommandServlet`, `Commands.runCommand`).

use super::auth;
use super::call::{Call, Plus, Query, Reply, decoded, start_of};
use super::health;
use super::state::Node;
use super::table::{self, COMMANDS, Command, Methods, Run};
use super::{retire, status};
use crate::four_letter::text::NOT_SERVING;
use crate::http::Caller;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use std::net::SocketAddr;
use std::sync::Arc;

/// What OPTIONS and a refused method are told.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The pages of the admin server.
pub fn pages(node: Arc<Node>) -> Router {
    let commands = Router::new().fallback(any).with_state(node.clone());
    health::pages(node.clone()).merge(status::pages(node.clone())).merge(retire::pages(node)).merge(commands)
}

/// What the metrics port has of them: health, and the command for which it was made first.
pub fn pages_beside_metrics(node: Arc<Node>) -> Router {
    let path = format!("/commands/{HAND_OVER}");
    let commands = Router::new().route(&path, post(hand_over)).with_state(node.clone());
    health::pages(node).merge(commands)
}

/// The command that the metrics port takes.
const HAND_OVER: &str = "hand_over";

async fn hand_over(
    State(node): State<Arc<Node>>,
    Extension(Caller(caller)): Extension<Caller>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    match table::find(HAND_OVER) {
        Some(command) => run(node, command, caller, &head, body).await.plain(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn any(
    State(node): State<Arc<Node>>,
    Extension(Caller(caller)): Extension<Caller>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let url = &node.config.settings.admin_command_url;
    let Some(rest) = head.uri.path().strip_prefix(url.as_str()) else { return not_found(url) };
    if !rest.is_empty() && !rest.starts_with('/') {
        return not_found(url);
    }
    if head.method == Method::OPTIONS {
        return ([(header::ALLOW, METHODS)], "").into_response();
    }
    if ![Method::GET, Method::HEAD, Method::POST].contains(&head.method) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, METHODS)], "").into_response();
    }
    // What follows a semicolon in a path are parameters of Java's servlets.
    let name = rest.strip_prefix('/').unwrap_or_default().split(';').next().unwrap_or_default();
    let name = match decoded(name, Plus::IsItself) {
        Ok(name) => name,
        Err(reason) => return (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response(),
    };
    if name.is_empty() {
        return index(url);
    }
    let Some(command) = table::find(&name) else {
        return Reply::failed(StatusCode::OK, format!("Unknown command: {name}")).named(&name);
    };
    let serves =
        matches!(command.run, Run::Anytime(_)) || node.serving().is_some() || command.primary_name() == HAND_OVER;
    if !serves {
        // Apache answers with the name that was asked for here, and with the primary one everywhere else.
        return Reply::failed(StatusCode::OK, NOT_SERVING).named(&name);
    }
    let reply = run(node, command, caller, &head, body).await;
    let refused = reply.status == StatusCode::UNAUTHORIZED || reply.status == StatusCode::FORBIDDEN;
    reply.named(if refused { &name } else { command.primary_name() })
}

fn not_found(url: &str) -> Response {
    let text =
        format!("there is no such page. hint: commands are below {url}/, health is at /livez, /readyz and /startupz\n");
    (StatusCode::NOT_FOUND, text).into_response()
}

/// A link to every command.
fn index(url: &str) -> Response {
    let link = |command: &Command| {
        let name = command.primary_name();
        format!("<a href=\"{url}/{name}\">{name}</a>\n<br/>\n")
    };
    let page: String = COMMANDS.iter().map(link).collect();
    let mut response = page.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html;charset=utf-8"));
    response
}

async fn run(node: Arc<Node>, command: &'static Command, caller: SocketAddr, head: &Parts, body: Body) -> Reply {
    if let Err(refusal) = admit_method(command, &head.method) {
        return refusal;
    }
    let running = node.running();
    if let Err(refusal) = auth::admit(command.access, &node, running.as_deref(), caller.ip(), &head.headers) {
        return refusal;
    }
    let query = match Query::parse(head.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(reason) => return Reply::failed(StatusCode::BAD_REQUEST, reason),
    };
    if command.methods != Methods::Get {
        let query = start_of(head.uri.query().unwrap_or_default());
        tracing::info!(%caller, command = command.primary_name(), query, "a command");
    }
    let call = Call { command, node, query, caller };
    match (command.run, running) {
        (Run::Anytime(look), _) => blocking(move || look(&call)).await,
        (Run::Serving(look), Some(running)) => blocking(move || look(&call, &running)).await,
        (Run::Waiting(begin), Some(running)) => begin(call, running, body).await,
        (Run::Serving(_) | Run::Waiting(_), None) => Reply::failed(StatusCode::OK, NOT_SERVING),
    }
}

/// Apache answers a command by the wrong method with an error of its own making (500).
fn admit_method(command: &Command, method: &Method) -> Result<(), Reply> {
    let wanted = match (command.methods, *method == Method::POST) {
        (Methods::Either, _) | (Methods::Get, false) | (Methods::Post, true) => return Ok(()),
        (Methods::Get, true) => "GET",
        (Methods::Post, false) => "POST",
    };
    let name = command.primary_name();
    let refusal = Reply::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{name} is not asked by {method}"),
        format!("use {wanted}, as in: curl -X {wanted} .../{name}"),
    );
    Err(refusal.with_header(header::ALLOW, HeaderValue::from_static(wanted)))
}

/// Off the runtime's workers: the answers come from files and locks.
async fn blocking(look: impl FnOnce() -> Reply + Send + 'static) -> Reply {
    match tokio::task::spawn_blocking(look).await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::warn!("a command has failed: {error}");
            Reply::failed(StatusCode::INTERNAL_SERVER_ERROR, format!("this command has failed: {error}"))
        }
    }
}
