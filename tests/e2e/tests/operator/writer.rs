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

/// A gap that somebody should have a look at, s.
const REMARKABLE_S: f64 = 1.0;

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
        assert!(!self.said.contains("STATE LOST"), "the session was lost:\n{}", self.said);
        let all = acknowledged(&self.said);
        let longest = all.windows(2).max_by(|a, b| (a[1].1 - a[0].1).total_cmp(&(b[1].1 - b[0].1)));
        let gap = longest.map_or(0.0, |pair| pair[1].1 - pair[0].1);
        if let Some([(_, from), (_, to)]) = longest.filter(|_| gap > REMARKABLE_S) {
            // What the client itself did then: it may have waited for a server that was gone.
            let about = |time: f64| (from - 1.0..to + 1.0).contains(&time);
            let states = self.said.lines().filter_map(|line| line.strip_prefix("STATE ")?.split_once(' '));
            let states = states.filter_map(|(state, time)| Some((state, time.parse().ok()?)));
            let states = states.filter(|(_, time)| about(*time)).map(|(state, time): (_, f64)| (state, time - from));
            eprintln!("a gap of {gap:.1} s; the client, in seconds from its begin: {:.1?}", states.collect::<Vec<_>>());
        }
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
