//! A client that writes all the while, and what was acknowledged to it.

use super::lab::{LIMIT, script};
use std::process::Command;
use std::time::Duration;
use support::external::Conversation;
use support::prerequisites;

/// A kazoo client at work.
pub struct Writer {
    conversation: Conversation,
    said: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// How many writes were acknowledged, one after another.
    pub count: u64,
    /// The longest time between two acknowledgements.
    pub gap: Duration,
}

impl Writer {
    pub fn start(hosts: &str, pause_ms: u32) -> Self {
        let mut command = Command::new(prerequisites::python());
        command.arg(script("writer.py")).arg(hosts).arg(pause_ms.to_string());
        let mut conversation = Conversation::start(command);
        let said = conversation.hear("ACK 20 ", LIMIT);
        Self { conversation, said }
    }

    /// Waits for further acknowledgements.
    pub fn goes_on(&mut self) {
        let next = acknowledged(&self.said).last().map_or(0, |(number, _)| *number) + 20;
        self.said += &self.conversation.hear(&format!("ACK {next} "), LIMIT);
    }

    /// Ends it.
    pub fn stop(mut self) -> Written {
        self.conversation.say("stop");
        self.said += &self.conversation.hear("DONE ", LIMIT);
        assert!(!self.said.contains("STATE EXPIRED"), "the session was lost:\n{}", self.said);
        let all = acknowledged(&self.said);
        let gap = all.windows(2).map(|pair| pair[1].1 - pair[0].1).fold(0.0, f64::max);
        let count = all.last().map_or(0, |(number, _)| *number);
        assert!(all.iter().zip(1..).all(|((number, _), expected)| *number == expected), "one after another");
        Written { count, gap: Duration::from_secs_f64(gap) }
    }
}

fn acknowledged(said: &str) -> Vec<(u64, f64)> {
    let parse = |line: &str| {
        let (number, time) = line.strip_prefix("ACK ")?.split_once(' ')?;
        Some((number.parse().ok()?, time.parse().ok()?))
    };
    said.lines().filter_map(parse).collect()
}
