//! One question to one server: a four-letter word on the client port, or a page over HTTP. Every one has a deadline and a bound.

use bytes::Bytes;
use client::HostPort;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest answer; `cons` has some 200 bytes for a connection, `/metrics` some 100 KiB.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Asks a four-letter word (`FourLetterWordMain.send4LetterWord`).
///
/// # Errors
/// Why there is no answer.
pub async fn word(address: &HostPort, word: &str, patience: Duration) -> Result<String, String> {
    within(patience, async {
        let mut stream = connect(address).await?;
        let said = |error: std::io::Error| format!("{word}: {error}");
        stream.write_all(word.as_bytes()).await.map_err(said)?;
        let mut bytes = Vec::new();
        let limit = ANSWER_BYTES_MAX as u64;
        stream.take(limit).read_to_end(&mut bytes).await.map_err(said)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    })
    .await
}

/// Asks for a page of text.
///
/// # Errors
/// Why there is none, or its status where that is not 200.
pub async fn page(address: &HostPort, path: &str, patience: Duration) -> Result<String, String> {
    let (status, bytes) = within(patience, get(address, path)).await?;
    if status != 200 {
        return Err(format!("http://{address}{path} answers {status}"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Asks for a page of JSON. The status does not matter: some pages say why not in JSON, too.
///
/// # Errors
/// Why there is none.
pub async fn json(address: &HostPort, path: &str, patience: Duration) -> Result<Value, String> {
    let (status, bytes) = within(patience, get(address, path)).await?;
    let wrong = |_| format!("http://{address}{path} answers {status} and no JSON");
    let value: Value = serde_json::from_slice(&bytes).map_err(wrong)?;
    if value.is_object() { Ok(value) } else { Err(format!("http://{address}{path} answers with no JSON object")) }
}

async fn get(address: &HostPort, path: &str) -> Result<(u16, Bytes), String> {
    let stream = connect(address).await?;
    let failed = |error: hyper::Error| format!("http://{address}{path}: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(failed)?;
    // It ends with the answer; what was wrong with it shows there.
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| format!("http://{address}{path}: {error}"))?;
    let response = sender.send_request(request).await.map_err(failed)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    connection.abort();
    Ok((status, body.map_err(|error| format!("http://{address}{path}: {error}"))?.to_bytes()))
}

async fn connect(address: &HostPort) -> Result<TcpStream, String> {
    let host = address.host.trim_end_matches('.');
    TcpStream::connect((host, address.port)).await.map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => format!("nobody listens at {address}"),
        _ => format!("{address}: {error}"),
    })
}

async fn within<T>(patience: Duration, asked: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    timeout(patience, asked).await.unwrap_or_else(|_| Err(format!("no answer within {} ms", patience.as_millis())))
}

/// What a URL cannot hold is written with `%`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let one = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escaped("/a b/ä?&%"), "/a%20b/%C3%A4%3F%26%25");
    }

    #[tokio::test]
    async fn who_does_not_answer_is_told_of() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = HostPort { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let silent = word(&address, "srvr", Duration::from_millis(50)).await;
        assert_eq!(silent, Err("no answer within 50 ms".to_owned()));
        drop(listener);
        let gone = json(&address, "/x", Duration::from_secs(5)).await;
        assert_eq!(gone, Err(format!("nobody listens at {address}")));
    }
}
