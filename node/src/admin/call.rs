//! What a command is given, and what it gives back.

use super::json::{Fields, Json};
use super::state::Node;
use super::table::Command;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use std::sync::Arc;

/// The type of every answer in JSON (`JsonOutputter`).
pub const JSON: &str = "application/json";

/// A request for a command.
#[derive(Debug, Clone)]
pub struct Call {
    /// The command.
    pub command: &'static Command,
    /// The server.
    pub node: Arc<Node>,
    /// The parameters in its URL.
    pub query: Query,
    /// Who asks.
    pub caller: SocketAddr,
}

/// The parameters of a URL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part behind the question mark.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Query, String> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(name, Plus::IsBlank)?, decoded(value, Plus::IsBlank)?))
        });
        Ok(Query(pairs.collect::<Result<_, String>>()?))
    }

    /// The first value of a parameter, as in Apache.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The only parameter that may be there, at most once.
    ///
    /// # Errors
    /// What is there instead.
    pub fn only(&self, name: &str) -> Result<Option<&str>, String> {
        match &self.0[..] {
            [] => Ok(None),
            [(known, value)] if known == name => Ok(Some(value)),
            [(known, _)] => Err(format!("unknown parameter {known:?}: expected {name}")),
            more => Err(format!("{} parameters: expected {name} once", more.len())),
        }
    }
}

impl Query {
    /// Whether it has these parameters at most, each once at most.
    ///
    /// # Errors
    /// What is there besides.
    pub fn at_most(&self, names: &[&str]) -> Result<(), String> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !names.contains(&name.as_str()) {
                return Err(format!("unknown parameter {:?}: expected {}", start_of(name), names.join(", ")));
            }
            if self.0[..at].iter().any(|(other, _)| other == name) {
                return Err(format!("{name} is there twice: expected it once"));
            }
        }
        Ok(())
    }
}

/// What a plus sign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plus {
    /// A blank, as in the query of a URL.
    IsBlank,
    /// A plus sign, as in its path.
    IsItself,
}

/// Takes the percent signs out of a part of a URL.
///
/// # Errors
/// When it does not hold UTF-8 then, or a percent sign is not followed by two digits.
pub fn decoded(text: &str, plus: Plus) -> Result<String, String> {
    let wrong = || format!("{:?} is no part of a URL: expected UTF-8 with %XX", start_of(text));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'%' => {
                let digits = rest.get(..2).ok_or_else(wrong)?;
                let digit = |at: usize| char::from(digits[at]).to_digit(16).ok_or_else(wrong);
                bytes.push((digit(0)? << 4 | digit(1)?) as u8);
                rest = &rest[2..];
            }
            b'+' if plus == Plus::IsBlank => bytes.push(b' '),
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

/// The beginning of what somebody sent, for a message.
#[must_use]
pub fn start_of(text: &str) -> String {
    const CHARS_SHOWN: usize = 100;
    text.chars().take(CHARS_SHOWN).collect()
}

/// The answer to a call.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Headers beside the type of its content.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What it holds.
    pub content: Content,
    /// What went wrong before the command could run; it comes last.
    error: Option<String>,
}

/// What an answer holds.
#[derive(Debug)]
pub enum Content {
    /// JSON, to which `command` and `error` are added.
    Fields(Fields),
    /// Bytes (`application/octet-stream`), whatever made them.
    Stream(Body),
}

impl Default for Reply {
    fn default() -> Reply {
        Reply { status: StatusCode::OK, headers: Vec::new(), content: Content::Fields(Vec::new()), error: None }
    }
}

impl Reply {
    /// One that holds these fields.
    #[must_use]
    pub fn of<const N: usize>(fields: [(&str, Json); N]) -> Reply {
        let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Reply { content: Content::Fields(fields), ..Reply::default() }
    }

    /// What a command says that went wrong, in front of `command`. Its status is 200: clients of Apache's look at `error`.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Reply {
        Reply::of([("error", Json::Text(text.into()))])
    }

    /// What went wrong before the command ran, behind `command` (`CommandResponse`).
    #[must_use]
    pub fn failed(status: StatusCode, error: impl Into<String>) -> Reply {
        Reply { status, error: Some(error.into()), ..Reply::default() }
    }

    /// A refusal of ours, with what to do about it.
    #[must_use]
    pub fn refused(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Reply {
        Reply { status, error: Some(error.into()), ..Reply::of([("hint", Json::Text(hint.into()))]) }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Reply {
        Reply { status, ..self }
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Reply {
        self.headers.push((name, value));
        self
    }

    /// Adds a field at the end.
    pub fn put(&mut self, key: &str, value: impl Into<Json>) {
        if let Content::Fields(fields) = &mut self.content {
            fields.push((key.to_owned(), value.into()));
        }
    }

    /// As the admin server sends it (`CommandResponse.toMap`): `command` behind the fields, and `error` unless it is among them.
    #[must_use]
    pub fn named(mut self, command: &str) -> Response {
        let error = self.error.take();
        self.put("command", command);
        if let Content::Fields(fields) = &mut self.content
            && !fields.iter().any(|(key, _)| key == "error")
        {
            fields.push(("error".to_owned(), error.into()));
        }
        self.into_response_with(Json::pretty)
    }

    /// As the metrics port sends it: the fields, on one line.
    #[must_use]
    pub fn plain(mut self) -> Response {
        if let Some(error) = self.error.take() {
            self.put("error", error);
        }
        self.into_response_with(|json| json.compact() + "\n")
    }

    fn into_response_with(self, written: impl FnOnce(&Json) -> String) -> Response {
        let (kind, body) = match self.content {
            Content::Fields(fields) => (JSON, Body::from(written(&Json::Object(fields)))),
            Content::Stream(body) => ("application/octet-stream", body),
        };
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], body).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_apache_does() {
        let query = Query::parse("traceMask=1&traceMask=2&path=%2Fa+b%C3%A4&bare").unwrap();
        assert_eq!(query.get("traceMask"), Some("1"), "the first counts");
        assert_eq!(query.get("path"), Some("/a b\u{e4}"));
        assert_eq!((query.get("bare"), query.get("none")), (Some(""), None));
        for wrong in ["a=%", "a=%4", "a=%zz", "%ff=1"] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(decoded("a+b%2Bc", Plus::IsItself), Ok("a+b+c".to_owned()));
    }

    #[test]
    fn one_parameter_and_no_other() {
        let only = |text: &str| Query::parse(text).unwrap().only("to").map(|to| to.map(str::to_owned));
        assert_eq!(only(""), Ok(None));
        assert_eq!(only("to=2"), Ok(Some("2".to_owned())));
        assert!(only("sid=2").is_err() && only("to=1&to=2").is_err());
    }

    #[tokio::test]
    async fn command_and_error_come_last() {
        let text = async |reply: Reply| {
            let bytes = axum::body::to_bytes(reply.named("x").into_body(), usize::MAX).await.unwrap();
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        assert_eq!(
            text(Reply::of([("a", Json::Int(1))])).await,
            "{\n  \"a\" : 1,\n  \"command\" : \"x\",\n  \"error\" : null\n}"
        );
        let failed = Reply::failed(StatusCode::OK, "no");
        assert_eq!(text(failed).await, "{\n  \"command\" : \"x\",\n  \"error\" : \"no\"\n}");
        assert_eq!(text(Reply::error("no")).await, "{\n  \"error\" : \"no\",\n  \"command\" : \"x\"\n}");
    }
}
