//! How far another machine's clock is from ours.
//!
//! ZooKeeper's protocols carry no time, and no four-letter word tells one without a session. Every HTTP server says what
//! time it has, to the second, in the `Date` of any answer, even of `404 Not Found`; so the metrics port or the admin port
//! of a peer is asked, and the result is an interval.

use super::finding::Finding;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::ServerId;

/// More than the head of any answer.
const HEAD_BYTES_MAX: u64 = 16 << 10;
/// How late a `Date` may be: it has no fractions of a second, and servers renew the text once a second.
const DATE_LAG_MS_MAX: i64 = 2000;

/// A peer's clock minus ours lies between these, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// At least.
    pub least_ms: i64,
    /// At most.
    pub most_ms: i64,
}

impl Skew {
    /// From a time in whole seconds that the peer's clock showed between two times of ours.
    #[must_use]
    pub fn new(peer_ms: i64, asked_ms: i64, answered_ms: i64) -> Skew {
        Skew { least_ms: peer_ms - answered_ms, most_ms: peer_ms + DATE_LAG_MS_MAX - asked_ms }
    }

    /// How far the clocks are apart at the very least, in ms; 0 where they may agree.
    #[must_use]
    pub fn distance_ms(self) -> i64 {
        if self.least_ms > 0 { self.least_ms } else { (-self.most_ms).max(0) }
    }
}

/// Asks an HTTP server for its time.
///
/// # Errors
/// What is wrong with the answer.
pub async fn ask(mut stream: TcpStream, host: &str) -> Result<Skew, String> {
    let asked_ms = wall_ms();
    let request = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    stream.take(HEAD_BYTES_MAX).read_to_end(&mut head).await.map_err(|error| error.to_string())?;
    let answered_ms = wall_ms();
    let peer_ms = date_of(&String::from_utf8_lossy(&head)).ok_or("the answer has no Date")?;
    Ok(Skew::new(peer_ms, asked_ms, answered_ms))
}

fn wall_ms() -> i64 {
    millis(SystemTime::now())
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The `Date` of an HTTP answer, in ms since 1970.
fn date_of(head: &str) -> Option<i64> {
    if !head.starts_with("HTTP/") {
        return None;
    }
    let mut fields = head.lines().skip(1).take_while(|line| !line.is_empty());
    let date = fields.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| value.trim())
    })?;
    httpdate::parse_http_date(date).ok().map(millis)
}

/// What the skew of one peer means. Nothing in ZooKeeper's protocols depends on wall clocks: sessions and elections use
/// the time since a machine's start. Times of znodes, time-to-live nodes and the reading of logs do.
#[must_use]
pub fn judge(sid: ServerId, skew: &Result<Skew, String>) -> Finding {
    let about = format!("server {sid}");
    match skew {
        Err(why) => Finding::unknown("clock.skew", about, format!("nobody told its time ({why})")).with_remedy(
            "a peer tells its time on its metrics port; a clock service (chrony, timesyncd) makes it certain",
        ),
        Ok(skew) if skew.distance_ms() == 0 => {
            let widest = skew.least_ms.abs().max(skew.most_ms.abs());
            Finding::ok("clock.skew", about, format!("its clock agrees to within {}", seconds(widest)))
        }
        Ok(skew) => {
            let direction = if skew.least_ms > 0 { "ahead of" } else { "behind" };
            let found = format!("its clock is at least {} {direction} this machine's", seconds(skew.distance_ms()));
            let remedy = "run a clock service (chrony, timesyncd) on all servers: times of znodes and time-to-live nodes \
                          follow the leader's clock";
            Finding::warning("clock.skew", about, found, remedy)
        }
    }
}

fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;

    fn check(peer_ms: i64, asked_ms: i64, answered_ms: i64, distance_ms: i64, status: Status) {
        let skew = Skew::new(peer_ms, asked_ms, answered_ms);
        assert_eq!(skew.distance_ms(), distance_ms, "{skew:?}");
        assert_eq!(judge(ServerId(2), &Ok(skew)).status, status, "{skew:?}");
    }

    #[test]
    fn the_resolution_of_a_date_is_no_skew() {
        // The peer's clock agrees; its second had begun 900 ms before the question.
        check(10_000, 10_900, 10_901, 0, Status::Ok);
        // It renewed its text a second ago.
        check(10_000, 11_900, 11_950, 0, Status::Ok);
        // It is 5 s ahead, or behind.
        check(15_000, 10_000, 10_010, 4_990, Status::Warning);
        check(5_000, 10_000, 10_010, 3_000, Status::Warning);
    }

    #[test]
    fn a_slow_answer_makes_the_interval_wider_and_accuses_nobody() {
        check(12_000, 10_000, 14_000, 0, Status::Ok);
    }

    #[test]
    fn an_unknown_skew_is_said_to_be_unknown() {
        let finding = judge(ServerId(2), &Err("port 7000: refused".to_owned()));
        assert_eq!(finding.status, Status::Unknown);
        assert!(finding.found.contains("port 7000: refused"), "{finding:?}");
    }

    #[test]
    fn dates_are_found_in_answers_of_any_kind() {
        let head = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ndate: Thu, 01 Jan 1970 00:00:10 GMT\r\n\r\n";
        assert_eq!(date_of(head), Some(10_000));
        assert_eq!(date_of("HTTP/1.1 200 OK\r\n\r\nDate: Thu, 01 Jan 1970 00:00:10 GMT\r\n"), None);
        assert_eq!(date_of("SSH-2.0\r\nDate: Thu, 01 Jan 1970 00:00:10 GMT\r\n"), None);
        assert_eq!(date_of("HTTP/1.1 200 OK\r\nDate: yesterday\r\n\r\n"), None);
    }
}
