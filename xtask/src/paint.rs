//! Colours on a terminal, plain text everywhere else (`NO_COLOR` is respected: <https://no-color.org>).

use std::io::IsTerminal;
use std::sync::OnceLock;

/// Whether to paint.
pub fn enabled() -> bool {
    static ENABLED: OnceLock<bool> = OnceLock::new();
    *ENABLED.get_or_init(|| {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        !refused && std::io::stdout().is_terminal()
    })
}

fn paint(code: &str, text: &str) -> String {
    if enabled() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Failure.
pub fn red(text: &str) -> String {
    paint("31;1", text)
}

/// Success.
pub fn green(text: &str) -> String {
    paint("32;1", text)
}

/// Headings.
pub fn bold(text: &str) -> String {
    paint("1", text)
}

/// A heading for what comes next.
pub fn heading(text: &str) {
    println!("{}", bold(&format!("==> {text}")));
}
