//! The shell while it runs: its session, what it remembers, and what it does with a line (`ZooKeeperMain`).

use super::answer::{Output, Written};
use super::commands::{Notes, Run};
use super::failure::{FAILED, Failure, NO_SUCH_COMMAND};
use super::launch::Launch;
use super::prompt::{CurrentClient, Prompt, Typed};
use super::screen::Screen;
use super::table::{self, Command, Verb};
use super::words;
use client::{Client, ConnectString, Event, EventType, KeeperState, Options};
use jiff::tz::TimeZone;
use serde_json::json;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long the first prompt waits for a connection, to show that there is one.
const PROMPT_PATIENCE: Duration = Duration::from_millis(300);
/// Lines that `history` shows beside its own.
const HISTORY_LINES: usize = 10;

/// A shell with its session.
pub struct Shell {
    launch: Launch,
    hosts: String,
    client: Client,
    events: UnboundedReceiver<Event>,
    /// For completion, which runs in a thread of its own.
    current: CurrentClient,
    screen: Screen,
    zone: TimeZone,
    history: BTreeMap<usize, String>,
    /// How many lines were carried out.
    count: usize,
    prints_watches: bool,
    exit_code: u8,
    /// Whether a znode may be there that goes with the session.
    has_ephemerals: bool,
    has_quit: bool,
}

impl Shell {
    /// Begins a session with the servers that were named.
    ///
    /// # Errors
    /// Where they make no sense, or are to be waited for and do not come.
    pub async fn start(launch: Launch) -> Result<Shell, Failure> {
        let screen = Screen::of_process();
        let hosts = launch.server.clone();
        if launch.output == Output::Text && !screen.out(&format!("Connecting to {hosts}\n")) {
            return Err(Failure::new("standard output is closed"));
        }
        let (client, events) = connect(&hosts, &launch)?;
        let mut shell = Shell {
            current: CurrentClient::default(),
            zone: TimeZone::system(),
            history: BTreeMap::new(),
            count: 0,
            prints_watches: true,
            exit_code: 0,
            has_ephemerals: false,
            has_quit: false,
            launch,
            hosts,
            client,
            events,
            screen,
        };
        *shell.current.lock() = Some(shell.client.clone());
        shell.wait_if_asked().await?;
        Ok(shell)
    }

    /// Runs the command of the command line; answers the exit code.
    pub async fn once(mut self) -> u8 {
        let words = self.launch.command.clone();
        self.process(&words).await;
        self.end().await
    }

    /// Carries out lines until there are no more; answers the exit code.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub async fn converse(mut self) -> io::Result<u8> {
        let mut prompt = Prompt::start(self.current.clone())?;
        if self.launch.output == Output::Text {
            let support = if prompt.is_interactive { "enabled" } else { "disabled" };
            self.write_out(&format!("Welcome to ZooKeeper!\nJLine support is {support}\n"));
        }
        if prompt.is_interactive {
            self.await_connection(PROMPT_PATIENCE).await;
        }
        while !self.has_quit {
            self.tell_events();
            prompt.ask(format!("[zk: {}({}) {}] ", self.hosts, self.client.state(), self.count));
            match self.typed(&mut prompt).await {
                Typed::Line(line) => self.line(&line).await,
                Typed::Interrupted => self.screen.failure("", Some("`quit` or ^D ends the shell")),
                Typed::End => break,
            }
        }
        // Who types expects that what was his goes with him.
        self.has_ephemerals &= !prompt.is_interactive;
        Ok(self.end().await)
    }

    /// Waits for a line, and writes events above it meanwhile.
    async fn typed(&mut self, prompt: &mut Prompt) -> Typed {
        loop {
            let event = tokio::select! {
                typed = prompt.typed() => return typed,
                Some(event) = self.events.recv() => event,
            };
            let text = self.shown(&event);
            if !text.is_empty() && !prompt.write_above(&text) {
                self.write_out(&text);
            }
        }
    }

    /// `ZooKeeperMain.executeLine`.
    async fn line(&mut self, line: &str) {
        let words = words::split(line);
        if words.is_empty() {
            if !line.trim().is_empty() {
                self.fail(&Failure::new(format!("no command in {line:?}")).hint("a quote must be closed"));
            }
            return;
        }
        self.history.insert(self.count, line.to_owned());
        self.process(&words).await;
        self.count += 1;
    }

    /// `ZooKeeperMain.processCmd`.
    async fn process(&mut self, words: &[String]) {
        match Box::pin(self.command(words)).await {
            Ok(()) => self.exit_code = 0,
            Err(failure) => self.fail(&failure),
        }
    }

    fn fail(&mut self, failure: &Failure) {
        self.tell_events();
        self.exit_code = failure.code;
        self.screen.failure(&failure.text, failure.hint.as_deref());
    }

    /// `ZooKeeperMain.processZKCmd`.
    async fn command(&mut self, words: &[String]) -> Result<(), Failure> {
        let name = words.first().map(String::as_str).unwrap_or_default();
        let command = table::find(name).ok_or_else(|| self.no_such_command(name))?;
        match command.verb {
            Verb::Quit => {
                self.quit().await;
                // With the exit code of the command before.
                return self.outcome();
            }
            Verb::Help => return self.help(words.get(1).map(String::as_str)),
            Verb::Redo if words.len() > 1 => self.redo(&words[1]).await?,
            Verb::History => self.show_history(),
            Verb::PrintWatches => self.print_watches(words.get(1).map(String::as_str)),
            Verb::Connect => self.reconnect(words.get(1).map(String::as_str)).await?,
            _ => {}
        }
        if !self.client.state().is_alive() {
            self.tell_events();
            self.write_out("Not connected\n");
            return Err(Failure::silent(FAILED).hint("`connect host:port` begins another session"));
        }
        self.run(command, words).await
    }

    /// A command that a server answers.
    async fn run(&mut self, command: &'static Command, words: &[String]) -> Result<(), Failure> {
        let client = self.client.clone();
        let mut run = Run { client: &client, hosts: &self.hosts, notes: Notes::default() };
        let outcome = run.run(command, words).await;
        let Notes { out, err, has_failed, made_ephemeral } = run.notes;
        self.has_ephemerals |= made_ephemeral;
        // What the session saw before the answer came is told before it.
        self.tell_events();
        err.iter().for_each(|line| self.screen.err(&format!("{line}\n")));
        out.iter().for_each(|line| self.write_out(&format!("{line}\n")));
        let Written { out, err } = outcome?.write(self.launch.output, &self.zone);
        self.screen.err(&err);
        self.write_out(&out);
        if has_failed { Err(Failure::silent(FAILED)) } else { Ok(()) }
    }

    /// What has come of the command before, which has told of itself.
    fn outcome(&self) -> Result<(), Failure> {
        if self.exit_code == 0 { Ok(()) } else { Err(Failure::silent(self.exit_code)) }
    }

    fn no_such_command(&self, name: &str) -> Failure {
        self.screen.err(&table::overview());
        let failure =
            Failure { code: NO_SUCH_COMMAND, ..Failure::new(format!("Command not found: Command not found {name}")) };
        match table::nearest(name) {
            Some(near) => failure.hint(format!("did you mean `{near}`? `help {near}` tells more")),
            None => failure.hint("`help` lists the commands"),
        }
    }

    /// Apache's list of commands; or what one of them is for, with an example.
    fn help(&mut self, name: Option<&str>) -> Result<(), Failure> {
        let Some(name) = name else {
            self.write_out(&table::overview());
            return Ok(());
        };
        let command = table::find(name).ok_or_else(|| self.no_such_command(name))?;
        let usage = command.usage();
        let mut text = format!("{}: {}\n\nusage: {}\n", command.name, command.meaning, usage.trim_end());
        if !command.lists_options && !command.options.is_empty() {
            text += &super::options::list(command.options);
        }
        for option in command.options.iter().filter(|option| option.ours) {
            text += &format!(" --{} <arg>   {}\n", option.name, option.meaning);
        }
        self.write_out(&format!("{text}\nexample: {}\n", command.example));
        Ok(())
    }

    async fn redo(&mut self, number: &str) -> Result<(), Failure> {
        let out_of_range = || Failure::new("Command index out of range").hint("`history` shows the numbers");
        let number = decode(number).ok_or_else(|| {
            Failure::new(format!("redo: expected the number of a command, found {number:?}"))
                .hint("`history` shows the numbers")
        })?;
        let earlier = usize::try_from(number).ok().filter(|number| *number < self.count);
        let line = earlier.and_then(|number| self.history.get(&number)).cloned().ok_or_else(out_of_range)?;
        let words = words::split(&line);
        if words.first().is_some_and(|name| name == "redo") {
            return Err(Failure::new("No redoing redos"));
        }
        self.history.insert(self.count, line);
        self.process(&words).await;
        self.outcome()
    }

    fn show_history(&mut self) {
        for number in self.count.saturating_sub(HISTORY_LINES)..=self.count {
            let line = self.history.get(&number).map_or("null", String::as_str);
            self.write_out(&format!("{number} - {line}\n"));
        }
    }

    fn print_watches(&mut self, word: Option<&str>) {
        match word {
            Some(word) => self.prints_watches = word == "on",
            None => self.write_out(&format!("printwatches is {}\n", if self.prints_watches { "on" } else { "off" })),
        }
    }

    /// `ZooKeeperMain.connectToZK`: the session that was is closed.
    async fn reconnect(&mut self, hosts: Option<&str>) -> Result<(), Failure> {
        let hosts = hosts.unwrap_or(&self.hosts).to_owned();
        // What cannot work leaves the session as it is.
        ConnectString::parse(&hosts).map_err(|text| wrong_hosts(&hosts, &text))?;
        if self.client.state().is_alive() {
            self.client.close().await;
            self.tell_events();
        }
        let (client, events) = connect(&hosts, &self.launch)?;
        (self.client, self.events, self.hosts) = (client, events, hosts);
        self.has_ephemerals = false;
        *self.current.lock() = Some(self.client.clone());
        self.wait_if_asked().await
    }

    async fn quit(&mut self) {
        self.client.close().await;
        self.tell_events();
        self.has_quit = true;
    }

    /// Ends what is left; answers the exit code.
    async fn end(mut self) -> u8 {
        self.tell_events();
        // As Apache's shell, one that runs a command or a script leaves its ephemerals to the session's timeout.
        if !self.has_quit && !self.has_ephemerals && self.client.state().is_connected() {
            self.client.close().await;
        }
        self.exit_code
    }

    /// `-waitforconnection`.
    async fn wait_if_asked(&mut self) -> Result<(), Failure> {
        if !self.launch.wait_for_connection {
            return Ok(());
        }
        let patience = Duration::from_millis(u64::try_from(self.launch.timeout_ms).unwrap_or(0));
        if self.await_connection(patience).await {
            return Ok(());
        }
        self.client.close().await;
        let hosts = &self.hosts;
        Err(Failure::new("KeeperErrorCode = ConnectionLoss")
            .hint(format!("no server at {hosts} took the session within {} ms (-timeout)", self.launch.timeout_ms)))
    }

    /// Waits until the session has a server, and tells of it; whether it has one.
    async fn await_connection(&mut self, patience: Duration) -> bool {
        let connected = async {
            while let Some(event) = self.events.recv().await {
                let text = shown(&event, self.prints_watches, self.launch.output);
                let _ = self.screen.out(&text);
                if matches!(event.state, KeeperState::SyncConnected | KeeperState::ConnectedReadOnly) {
                    return true;
                }
            }
            false
        };
        tokio::time::timeout(patience, connected).await.unwrap_or(false)
    }

    /// Writes what the session saw and has not told yet.
    fn tell_events(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            let text = self.shown(&event);
            self.write_out(&text);
        }
    }

    fn shown(&self, event: &Event) -> String {
        shown(event, self.prints_watches, self.launch.output)
    }

    /// Where nobody reads any more (`| head`) there is nothing left to do.
    fn write_out(&mut self, text: &str) {
        if !text.is_empty() && !self.screen.out(text) {
            self.has_quit = true;
        }
    }
}

/// An event as it is written.
fn shown(event: &Event, prints_watches: bool, output: Output) -> String {
    match output {
        _ if !prints_watches => String::new(),
        // Who asks for a table or for JSON asks for that; sessions that begin are not part of it.
        Output::Json | Output::Table if event.kind == EventType::None => String::new(),
        Output::Json => {
            let event = json!({ "event": {
                "state": event.state.to_string(), "type": event.kind.to_string(), "path": event.path, "zxid": event.zxid,
            }});
            format!("{event}\n")
        }
        Output::Text | Output::Table => format!("\nWATCHER::\n\n{event}\n"),
    }
}

fn connect(hosts: &str, launch: &Launch) -> Result<(Client, UnboundedReceiver<Event>), Failure> {
    let servers = ConnectString::parse(hosts).map_err(|text| wrong_hosts(hosts, &text))?;
    let options = Options { timeout_ms: launch.timeout_ms, read_only: launch.read_only };
    Ok(Client::start(servers, options))
}

fn wrong_hosts(hosts: &str, text: &str) -> Failure {
    Failure::new(text).hint(format!("expected host:port[,host:port...][/chroot], found {hosts:?}"))
}

/// `Integer.decode`: decimal, hexadecimal or octal.
fn decode(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let lower = digits.to_lowercase();
    let number = match (lower.strip_prefix("0x").or_else(|| lower.strip_prefix('#')), lower.strip_prefix('0')) {
        (Some(hex), _) => i64::from_str_radix(hex, 16),
        (None, Some(octal)) if !octal.is_empty() => i64::from_str_radix(octal, 8),
        _ => lower.parse(),
    };
    number.ok().map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_history() {
        for (text, number) in [("7", Some(7)), ("0x10", Some(16)), ("010", Some(8)), ("0", Some(0)), ("-1", Some(-1))] {
            assert_eq!(decode(text), number, "{text}");
        }
        assert_eq!((decode("abc"), decode("")), (None, None));
    }

    #[test]
    fn events_are_told_as_asked() {
        let event = Event {
            state: KeeperState::SyncConnected,
            kind: EventType::NodeCreated,
            path: Some("/a".to_owned()),
            zxid: 7,
        };
        let text = "\nWATCHER::\n\nWatchedEvent state:SyncConnected type:NodeCreated path:/a zxid: 7\n";
        assert_eq!(shown(&event, true, Output::Text), text);
        assert_eq!(shown(&event, false, Output::Text), "");
        assert_eq!(
            shown(&event, true, Output::Json),
            "{\"event\":{\"path\":\"/a\",\"state\":\"SyncConnected\",\"type\":\"NodeCreated\",\"zxid\":7}}\n"
        );
        assert_eq!(shown(&Event::session(KeeperState::SyncConnected), true, Output::Table), "");
    }
}
