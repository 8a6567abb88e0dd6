//! The terminal of `zk top`: keys in, frames out. It is given back on every way out: a key, a signal, an error, a panic.

use super::model::{Flow, Key, Model, View};
use super::poll::{News, Pollers};
use super::view;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures::StreamExt;
use jiff::tz::TimeZone;
use ratatui::DefaultTerminal;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a panic, as Rust's own.
const PANICKED: i32 = 101;

/// Shows the model until the user or a signal ends it.
///
/// # Errors
/// When the terminal fails.
pub async fn live(pollers: &mut Pollers, interval: Duration, view: View) -> anyhow::Result<()> {
    let signals = Signals::new()?;
    let terminal = Terminal::open()?;
    show(terminal, signals, pollers, interval, view).await
}

/// The terminal, as long as it is ours.
struct Terminal(DefaultTerminal);

impl Terminal {
    fn open() -> std::io::Result<Terminal> {
        let terminal = ratatui::try_init()?;
        // Behind ratatui's, which gives the terminal back. A panic in any task leaves nothing that is worth going on with.
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            told(panic);
            std::process::exit(PANICKED);
        }));
        Ok(Terminal(terminal))
    }

    fn draw(&mut self, model: &mut Model, zone: &TimeZone) -> std::io::Result<()> {
        self.0.draw(|frame| view::draw(model, zone, frame.area(), frame.buffer_mut())).map(|_| ())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Also when the terminal is gone, which is all that can fail here.
        let _ = ratatui::try_restore();
    }
}

/// What ends it from outside.
struct Signals {
    terminated: Signal,
    interrupted: Signal,
    hung_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminated: signal(SignalKind::terminate())?,
            interrupted: signal(SignalKind::interrupt())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
            _ = self.hung_up.recv() => {}
        }
    }
}

async fn show(
    mut terminal: Terminal,
    mut signals: Signals,
    pollers: &mut Pollers,
    interval: Duration,
    view: View,
) -> anyhow::Result<()> {
    let (mut model, zone, mut keys) = (Model::new(view), TimeZone::system(), EventStream::new());
    let mut ticks = tokio::time::interval(interval);
    loop {
        terminal.draw(&mut model, &zone)?;
        tokio::select! {
            () = signals.any() => return Ok(()),
            _ = ticks.tick() => model.tick(),
            news = pollers.next() => take(&mut model, news),
            event = keys.next() => match event {
                // Nothing more will come from a terminal that is gone.
                None => return Ok(()),
                Some(event) => {
                    if let Some(key) = key(&event?)
                        && model.key(key) == Flow::Quit
                    {
                        return Ok(());
                    }
                    pollers.look_at(model.view);
                }
            },
        }
    }
}

fn take(model: &mut Model, news: News) {
    match news {
        News::Members(members) => model.take_members(&members.list, members.is_weighted),
        News::Told { at_ms, member, told } => model.take(at_ms, &member, *told),
    }
}

fn key(event: &Event) -> Option<Key> {
    let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press | KeyEventKind::Repeat, .. }) = event else {
        return None;
    };
    Some(match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('q') => Key::Quit,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::Left | KeyCode::Char('h') => Key::Left,
        KeyCode::Right | KeyCode::Char('l') => Key::Right,
        KeyCode::Char('s') => Key::Sort,
        KeyCode::Char('1') => Key::View(View::Servers),
        KeyCode::Char('2') => Key::View(View::Clients),
        KeyCode::Char('3') => Key::View(View::Slow),
        KeyCode::Char('p' | ' ') => Key::Pause,
        KeyCode::Char('?') => Key::Help,
        _ => Key::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_and_others_do_nothing() {
        let pressed = |code, modifiers| key(&Event::Key(KeyEvent::new(code, modifiers)));
        let none = KeyModifiers::NONE;
        assert_eq!(pressed(KeyCode::Char('q'), none), Some(Key::Quit));
        assert_eq!(pressed(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Quit));
        assert_eq!(pressed(KeyCode::Char('c'), none), Some(Key::Other));
        assert_eq!(pressed(KeyCode::Char('2'), none), Some(Key::View(View::Clients)));
        assert_eq!(key(&Event::Resize(1, 1)), None, "the next frame has the new size");
    }

    /// Whether this process is the one that is to panic.
    const PANICS: &str = "ZK_TOP_TEST_PANICS";

    /// On a terminal, which `script` (bsdutils) has, this test runs itself again, and that panics in a task beside.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        if std::env::var_os(PANICS).is_some() {
            let _terminal = Terminal::open().expect("a terminal");
            let panicking = std::thread::spawn(|| panic!("a task has panicked"));
            let _ = panicking.join();
            unreachable!("a panic ends the process");
        }
        let exe = std::env::current_exe().expect("a running program has a path");
        let name = "tools::top::screen::tests::a_panic_gives_the_terminal_back";
        let line = format!("stty -a; {} {name} --exact --nocapture; echo code=$?; stty -a", exe.display());
        let mut command = std::process::Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env(PANICS, "1").stdin(std::process::Stdio::null());
        let output = command.output().expect("script");
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let (enter, leave) = (shown.find("\x1b[?1049h"), shown.find("\x1b[?1049l"));
        assert!(enter.is_some() && enter < leave, "{shown:?}");
        // Behind the screen, where it can be read.
        assert!(shown.find("a task has panicked") > leave && shown.contains("code=101"), "{shown:?}");
        let modes: Vec<bool> = shown
            .split_whitespace()
            .filter_map(|word| match word.trim_end_matches(';') {
                "icanon" => Some(true),
                "-icanon" => Some(false),
                _ => None,
            })
            .collect();
        assert_eq!(modes, [true, true], "{shown:?}");
    }
}
