//! The API server as a client meets it: a service that takes HTTP requests, with the weather in between.

use crate::faults::Fate;
use crate::kubernetes::text;
use crate::rbac::{Right, Scope};
use crate::store::{Change, RESOURCES, Resource, selects};
use crate::world::{Shared, World};
use axum::body::Body;
use axum::http::{Method, Request, Response, header};
use kube::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// A request, taken apart.
#[derive(Debug, Clone)]
pub struct Call {
    pub verb: &'static str,
    pub resource: &'static Resource,
    pub subresource: Option<String>,
    pub namespace: Option<String>,
    pub name: String,
    pub query: BTreeMap<String, String>,
    pub content_type: String,
    pub is_partial: bool,
    pub body: Value,
}

/// A refusal.
#[derive(Debug, Clone)]
pub struct Failure {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
}

impl Failure {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    /// What the API server says when it says no more than a number.
    pub fn of(code: u16) -> Self {
        let reason = match code {
            409 => "Conflict",
            410 => "Expired",
            429 => "TooManyRequests",
            _ => "InternalError",
        };
        Self::new(code, reason, "the weather is bad")
    }

    fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": self.code, "reason": self.reason, "message": self.message,
        })
    }
}

/// A client for this operator. Nothing of what it asks for is done once another one works.
pub fn client(world: &Shared, operator: u64) -> Client {
    let world = world.clone();
    let service =
        tower::service_fn(move |request: Request<kube::client::Body>| serve(world.clone(), operator, request));
    Client::new(service, "default")
}

async fn serve(world: Shared, operator: u64, request: Request<kube::client::Body>) -> io::Result<Response<Body>> {
    let mut call = read(request).await.map_err(io::Error::other)?;
    if call.verb == "watch" {
        return watch(&world, operator, call);
    }
    let is_write = !matches!(call.verb, "get" | "list");
    let (fate, way) = world.lock().set_out(operator, is_write);
    tokio::time::sleep(way).await;
    if let Some(refused) = kept_back(fate).await? {
        return Ok(refused);
    }
    let Some(answer) = world.lock().carry_out(operator, &mut call) else { return std::future::pending().await };
    tokio::time::sleep(way).await;
    match fate {
        Fate::AnswerLost => Err(io::Error::other("the connection is lost")),
        Fate::AnswerLate => std::future::pending().await,
        _ => Ok(match answer {
            Ok(object) => response(if call.verb == "create" { 201 } else { 200 }, &object),
            Err(failure) => response(failure.code, &failure.status()),
        }),
    }
}

/// What does not reach the API server.
async fn kept_back(fate: Fate) -> io::Result<Option<Response<Body>>> {
    match fate {
        Fate::Lost => Err(io::Error::other("no route")),
        Fate::Late => std::future::pending().await,
        Fate::Refused(code) => Ok(Some(response(code, &Failure::of(code).status()))),
        Fate::Done | Fate::AnswerLost | Fate::AnswerLate => Ok(None),
    }
}

fn response(code: u16, body: &Value) -> Response<Body> {
    let response = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    response.body(Body::from(body.to_string())).expect("a response")
}

async fn read(request: Request<kube::client::Body>) -> Result<Call, String> {
    let (parts, body) = request.into_parts();
    let body = body.collect_bytes().await.map_err(|error| error.to_string())?;
    let path = parts.uri.path().to_owned();
    let mut segments: VecDeque<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let unknown = || format!("{path} is nothing that this API server has");
    let group = if segments.pop_front() == Some("api") { "" } else { segments.pop_front().ok_or_else(unknown)? };
    segments.pop_front();
    let namespace = (segments.front() == Some(&"namespaces")).then(|| {
        segments.pop_front();
        segments.pop_front().unwrap_or_default().to_owned()
    });
    let plural = segments.pop_front().ok_or_else(unknown)?;
    let resource = RESOURCES.iter().find(|resource| resource.group == group && resource.plural == plural);
    let name = segments.pop_front().unwrap_or_default().to_owned();
    let query = query(parts.uri.query().unwrap_or_default());
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let is_watch = query.get("watch").is_some_and(|value| value == "1" || value == "true");
    let verb = match (&parts.method, name.is_empty()) {
        (&Method::GET, true) if is_watch => "watch",
        (&Method::GET, true) => "list",
        (&Method::GET, false) => "get",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, false) => "delete",
        _ => return Err(format!("{} {path}: nobody may do that", parts.method)),
    };
    Ok(Call {
        verb,
        resource: resource.ok_or_else(unknown)?,
        subresource: segments.pop_front().map(str::to_owned),
        namespace,
        name,
        query,
        content_type: header(header::CONTENT_TYPE),
        is_partial: header(header::ACCEPT).contains("PartialObjectMetadata"),
        body: if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).map_err(|e| e.to_string())? },
    })
}

fn query(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decoded(key), decoded(value))).collect()
}

/// Percent signs and plus signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let next = match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            byte => byte,
        };
        bytes.push(next);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl World {
    /// `None`: whoever asked is no more.
    fn carry_out(&mut self, operator: u64, call: &mut Call) -> Option<Result<Value, Failure>> {
        if self.operator != Some(operator) {
            return None;
        }
        let before = self.store.revision();
        if let Some(mistake) = self.mistake {
            mistake.alter(self, call);
        }
        let answer = self.answer(call);
        let has_changed = self.store.revision() != before;
        if has_changed || answer.is_err() && call.verb != "get" {
            self.tell(call, &answer);
        }
        (!(has_changed && self.has_changed(operator))).then_some(answer)
    }

    /// What the caller must be allowed to do.
    pub fn note_right(&mut self, call: &Call, verb: &'static str) {
        let scope = match &call.namespace {
            Some(namespace) => Scope::Namespace(namespace.clone()),
            None => Scope::Cluster,
        };
        let subresource = call.subresource.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
        let resource = format!("{}{subresource}", call.resource.plural);
        self.rights.insert(Right { verb, group: call.resource.group, resource, scope });
    }

    fn tell(&mut self, call: &Call, answer: &Result<Value, Failure>) {
        let outcome = match answer {
            Ok(_) => String::new(),
            Err(failure) => format!(": {} {}", failure.code, failure.message),
        };
        let subresource = call.subresource.as_deref().unwrap_or_default();
        let size = &call.body["spec"]["replicas"];
        let named = if call.name.is_empty() { text(&call.body, "/metadata/name") } else { &call.name };
        // Events are named after the machine's clock.
        let name = if call.resource.kind == "Event" { text(&call.body, "/reason") } else { named };
        let size = if size.is_null() { String::new() } else { format!(" with {size} replicas") };
        let subresource = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        self.say(format!("operator: {} {}{subresource} {name}{size}{outcome}", call.verb, call.resource.kind));
    }
}

/// A watch under way.
struct Watch {
    world: Shared,
    operator: u64,
    call: Call,
    since: u64,
    /// What is written and not yet sent.
    lines: VecDeque<String>,
    ends: Instant,
    /// Nothing is heard from then on.
    deaf: Option<Instant>,
    is_over: bool,
}

/// How often those who watch are told that they have missed nothing.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// How long a watch lasts at most.
const WATCH: Duration = Duration::from_secs(290);

fn watch(world: &Shared, operator: u64, call: Call) -> io::Result<Response<Body>> {
    let mut guard = world.lock();
    guard.note_right(&call, "watch");
    if guard.operator != Some(operator) {
        return Err(io::Error::other("nobody asks"));
    }
    if guard.watches_fail() {
        return Err(io::Error::other("no route"));
    }
    let (lasts, deaf) = guard.watch_lasts(WATCH);
    let now = Instant::now();
    let since = call.query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
    let watch = Watch {
        world: world.clone(),
        operator,
        call,
        since,
        lines: VecDeque::new(),
        ends: now + lasts,
        deaf: deaf.map(|after| now + after),
        is_over: false,
    };
    drop(guard);
    let lines = futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<String, Infallible>(line), watch))
    });
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    response.body(Body::from_stream(lines)).map_err(io::Error::other)
}

impl Watch {
    async fn next(&mut self) -> Option<String> {
        let mut changed = self.world.lock().store.changed();
        let bookmark = Instant::now() + BOOKMARKS;
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let now = Instant::now();
            if self.is_over || now >= self.ends {
                return None;
            }
            let is_deaf = self.deaf.is_some_and(|deaf| now >= deaf);
            if !is_deaf {
                self.look();
                if now >= bookmark && self.lines.is_empty() {
                    self.bookmark();
                }
            }
            if self.lines.is_empty() {
                let until = if is_deaf { self.ends } else { bookmark.min(self.ends) };
                // Whatever wakes it, it looks.
                let _ = tokio::time::timeout_at(until, async {
                    if is_deaf || changed.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                })
                .await;
            }
        }
    }

    fn look(&mut self) {
        let world = self.world.lock();
        if world.operator != Some(self.operator) {
            self.is_over = true;
            return;
        }
        let Some(changes) = world.store.since(self.since) else {
            let failure = Failure::of(410).status();
            self.lines.push_back(format!("{}\n", json!({ "type": "ERROR", "object": failure })));
            self.is_over = true;
            return;
        };
        for change in changes {
            self.since = change.revision;
            if let Some(line) = line(&self.call, change) {
                self.lines.push_back(line);
            }
        }
    }

    fn bookmark(&mut self) {
        let metadata = json!({ "resourceVersion": self.since.to_string(), "creationTimestamp": null });
        let object = json!({
            "kind": self.call.resource.kind, "apiVersion": self.call.resource.api_version(), "metadata": metadata,
        });
        self.lines.push_back(format!("{}\n", json!({ "type": "BOOKMARK", "object": object })));
    }
}

fn line(call: &Call, change: &Change) -> Option<String> {
    let is_elsewhere = call.namespace.as_ref().is_some_and(|namespace| *namespace != change.key.namespace);
    if !std::ptr::eq(change.key.resource, call.resource) || is_elsewhere {
        return None;
    }
    let selector = call.query.get("labelSelector").map(String::as_str).unwrap_or_default();
    let selected = |object: &Option<std::sync::Arc<Value>>| object.clone().filter(|object| selects(selector, object));
    let (kind, object) = match (selected(&change.before), selected(&change.after)) {
        (None, None) => return None,
        (None, Some(after)) => ("ADDED", after),
        (Some(_), Some(after)) => ("MODIFIED", after),
        (Some(before), None) => ("DELETED", before),
    };
    let mut object = if call.is_partial { partial(&object) } else { Value::clone(&object) };
    object["metadata"]["resourceVersion"] = json!(change.revision.to_string());
    Some(format!("{}\n", json!({ "type": kind, "object": object })))
}

/// Its metadata alone.
pub fn partial(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}
