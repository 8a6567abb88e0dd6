//! Against an API server of a few lines, on this machine.

use super::*;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use kube::{Client, Config};
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What it has been asked, such as `GET podmonitors/main`; of deletions with the uid that they were about.
type Asked = Arc<Mutex<Vec<String>>>;

fn cluster(monitoring: &Value) -> ValidatedCluster {
    crate::observe::tests::cluster("main", &json!({ "monitoring": monitoring }))
}

/// An API server that answers everything in this way.
async fn server(answer: impl Fn(&str) -> Response + Clone + Send + Sync + 'static) -> (Client, Asked) {
    let asked = Asked::default();
    let heard = asked.clone();
    let handle = async move |request: Request| {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().strip_prefix("/apis/monitoring.coreos.com/v1/namespaces/ns/").unwrap_or("?");
        let body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default();
        let uid = body["preconditions"]["uid"].as_str().map(|uid| format!(" {uid}")).unwrap_or_default();
        heard.lock().push(format!("{} {path}{uid}", parts.method));
        answer(parts.method.as_str())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await });
    let config = Config::new(format!("http://{address}").parse().unwrap());
    (Client::try_from(config).unwrap(), asked)
}

fn said(code: u16, body: impl ToString) -> Response {
    (StatusCode::from_u16(code).unwrap(), body.to_string()).into_response()
}

/// As the API server refuses.
fn refusal(code: u16, reason: &str) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason, "message": "no",
    });
    said(code, status)
}

fn monitor(owner: &str) -> Value {
    json!({
        "apiVersion": build::MONITORING_API, "kind": "PodMonitor",
        "metadata": {
            "name": "main", "namespace": "ns", "uid": "m-1",
            "ownerReferences": [{ "apiVersion": "v1", "kind": "K", "name": "o", "uid": owner, "controller": true }],
        },
    })
}

async fn pass(client: &Client, monitoring: &Value, known: &mut Known) -> Monitoring {
    pass_at(0, client, monitoring, known).await
}

async fn pass_at(second: i64, client: &Client, monitoring: &Value, known: &mut Known) -> Monitoring {
    let cluster = cluster(monitoring);
    let now = Timestamp::from_second(second).unwrap();
    run(&cluster, &ClusterApi::new(client.clone(), &cluster), known, now).await
}

fn pods() -> Value {
    json!({ "podMonitor": { "enabled": true } })
}

fn refused(monitoring: Monitoring) -> Trouble {
    match monitoring {
        Monitoring::Refused(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_kind_that_kubernetes_does_not_know_is_named_with_the_remedy() {
    // Of a group that it does not know the API server says so without a status.
    let (client, asked) = server(|_| said(404, "404 page not found")).await;
    let wishes = json!({ "podMonitor": { "enabled": true }, "prometheusRule": { "enabled": true } });
    let trouble = refused(pass(&client, &wishes, &mut Known::default()).await);
    assert_eq!(trouble.reason, "KindMissing");
    for part in ["PodMonitor main:", "PrometheusRule main:", "hint: ", "`spec.monitoring.podMonitor.enabled`"] {
        assert!(trouble.message.contains(part), "{}", trouble.message);
    }
    assert!(asked.lock().contains(&"GET servicemonitors/main".to_owned()), "what is not asked for is looked for once");

    let (client, _) = server(|_| refusal(404, "NotFound")).await;
    assert_eq!(refused(pass(&client, &wishes, &mut Known::default()).await).reason, "KindMissing");
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_with_the_remedy() {
    let (client, _) = server(|_| refusal(403, "Forbidden")).await;
    let trouble = refused(pass(&client, &pods(), &mut Known::default()).await);
    assert_eq!(trouble.reason, "Forbidden");
    assert!(trouble.message.contains("features.monitoring=true"), "{}", trouble.message);
}

#[tokio::test]
async fn what_is_asked_for_is_written_when_it_changes_and_once_a_minute() {
    let answer = |method: &str| match method {
        "GET" => refusal(404, "NotFound"),
        _ => said(200, monitor("u-1")),
    };
    let (client, asked) = server(answer).await;
    let mut known = Known::default();
    let other = json!({ "podMonitor": { "enabled": true, "intervalSeconds": 30 } });
    let first =
        ["GET podmonitors/main", "PATCH podmonitors/main", "GET servicemonitors/main", "GET prometheusrules/main"];
    for (second, wishes, expected) in [
        (0, &pods(), &first[..]),
        (59, &pods(), &[]),
        (60, &pods(), &["PATCH podmonitors/main"]),
        (61, &other, &["PATCH podmonitors/main"]),
        (62, &other, &[]),
        // A clock that was set back.
        (1, &other, &["PATCH podmonitors/main"]),
    ] {
        assert_eq!(pass_at(second, &client, wishes, &mut known).await, Monitoring::Written);
        assert_eq!(std::mem::take(&mut *asked.lock()), expected, "at {second} s");
    }
}

#[tokio::test]
async fn what_is_no_longer_asked_for_is_removed_by_its_uid() {
    let answer = |method: &str| match method {
        "GET" => said(200, monitor("u-1")),
        _ => said(200, json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" })),
    };
    let (client, asked) = server(answer).await;
    let mut known = Known::default();
    for _ in 0..2 {
        assert_eq!(pass(&client, &json!({}), &mut known).await, Monitoring::Written);
    }
    let asked = asked.lock();
    assert_eq!(asked[..2], ["GET podmonitors/main", "DELETE podmonitors/main m-1"]);
    assert_eq!(asked.len(), 6, "each of the three kinds once: {asked:?}");
}

#[tokio::test]
async fn what_is_somebody_elses_is_neither_written_nor_removed() {
    let (client, asked) = server(|_| said(200, monitor("u-2"))).await;
    let trouble = refused(pass(&client, &pods(), &mut Known::default()).await);
    assert_eq!(trouble.reason, "NameTaken");
    assert_eq!(pass(&client, &json!({}), &mut Known::default()).await, Monitoring::Written);
    assert!(asked.lock().iter().all(|request| request.starts_with("GET ")), "{:?}", asked.lock());
}

#[tokio::test]
async fn what_could_not_be_removed_is_tried_again() {
    let (client, asked) = server(|_| refusal(500, "InternalError")).await;
    let mut known = Known::default();
    for _ in 0..2 {
        assert_eq!(pass(&client, &json!({}), &mut known).await, Monitoring::Written);
    }
    assert_eq!(asked.lock().len(), 6);
}
