//! How findings look: text for people, JSON for programs.

use super::finding::{Finding, Report, Status, Strictness, Verdict};
use serde::Serialize;

/// Columns for the status word, the longest being `problem`.
const STATUS_COLUMNS: usize = 8;
/// Columns for the id, the longest being `machine.huge_pages`.
const ID_COLUMNS: usize = 20;

/// What stands before a remedy.
const HINT: &str = "hint:";
/// Narrower than this, text is not folded: it would be a column of words.
const COLUMNS_MIN: usize = 60;

/// How text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether it is coloured.
    pub paint: Paint,
    /// Columns of the terminal, at which lines are folded; `None` where there is none: a line per finding then.
    pub columns: Option<usize>,
}

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// No.
    Plain,
    /// With the escape sequences of a terminal.
    Colours,
}

impl Paint {
    fn apply(self, code: &str, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }

    fn status(self, status: Status, text: &str) -> String {
        let code = match status {
            Status::Ok => "32",
            Status::Note => "36",
            Status::Unknown => "35",
            Status::Warning => "33;1",
            Status::Problem => "31;1",
        };
        self.apply(code, text)
    }
}

/// The text: one line for each finding with its remedy beneath, an empty line between areas, the sum at the end.
#[must_use]
pub fn text(report: &Report, strictness: Strictness, style: Style) -> String {
    let mut out = String::new();
    let mut area = None;
    for finding in &report.findings {
        let this = finding.id.split('.').next();
        if area.is_some() && area != this {
            out.push('\n');
        }
        area = this;
        push_finding(&mut out, finding, style);
    }
    out.push('\n');
    out.push_str(&summary(report, strictness, style.paint));
    out.push('\n');
    out
}

fn push_finding(out: &mut String, finding: &Finding, style: Style) {
    let word = style.paint.status(finding.status, &format!("{:STATUS_COLUMNS$}", finding.status.word()));
    let id = style.paint.apply("2", &format!("{:ID_COLUMNS$}", finding.id));
    let about = if finding.about.is_empty() { String::new() } else { format!("{}: ", finding.about) };
    let indent = " ".repeat(STATUS_COLUMNS + ID_COLUMNS + 2);
    let room = style.columns.filter(|columns| *columns >= COLUMNS_MIN).map(|columns| columns - indent.len());
    let mut begin = format!("{word} {id} ");
    for line in folded(&format!("{about}{}", finding.found), room) {
        out.push_str(&format!("{begin}{line}\n"));
        begin.clone_from(&indent);
    }
    let Some(remedy) = &finding.remedy else { return };
    for (nth, line) in folded(&format!("{HINT} {remedy}"), room).into_iter().enumerate() {
        let line = match line.strip_prefix(HINT) {
            Some(rest) if nth == 0 => format!("{}{rest}", style.paint.apply("1", HINT)),
            _ => line,
        };
        out.push_str(&format!("{indent}{line}\n"));
    }
}

/// Lines of a text, none longer than `room` unless a word is.
fn folded(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return text.lines().map(str::to_owned).collect() };
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

fn summary(report: &Report, strictness: Strictness, paint: Paint) -> String {
    let counts = Status::ALL.iter().filter_map(|status| {
        let count = report.count(*status);
        let plural = if count == 1 || matches!(status, Status::Ok | Status::Unknown) { "" } else { "s" };
        (count > 0).then(|| paint.status(*status, &format!("{count} {}{plural}", status.word())))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let meaning = match report.verdict(strictness) {
        Verdict::Good => "nothing is wrong",
        Verdict::Wrong if report.count(Status::Problem) == 0 => "warnings count (--strict)",
        Verdict::Wrong => "something is wrong",
        Verdict::CannotTell => "there is no configuration to check",
    };
    format!("{}: {counts}", paint.apply("1", meaning))
}

#[derive(Serialize)]
struct Document<'a> {
    /// Of this form; a reader may rely on what is here as long as the number stays.
    format: u32,
    version: &'static str,
    verdict: Verdict,
    exit_code: u8,
    findings: &'a [Finding],
}

/// The JSON document, on several lines.
///
/// # Errors
/// Never in practice: everything in it is text and numbers.
pub fn json(report: &Report, strictness: Strictness) -> serde_json::Result<String> {
    let verdict = report.verdict(strictness);
    let document = Document {
        format: 1,
        version: env!("CARGO_PKG_VERSION"),
        verdict,
        exit_code: verdict.exit_code(),
        findings: &report.findings,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style { paint: Paint::Plain, columns: None };

    fn sample() -> Report {
        let findings = vec![
            Finding::ok("config.valid", "", "zoo.cfg is valid"),
            Finding::problem("peer.election", "server 3", "zk3:3888 refused", "start server 3"),
        ];
        Report { findings, nothing_configured: false }
    }

    #[test]
    fn text_is_aligned_and_ends_with_the_sum() {
        let expected = "\
ok       config.valid         zoo.cfg is valid

problem  peer.election        server 3: zk3:3888 refused
                              hint: start server 3

something is wrong: 1 problem, 1 ok
";
        assert_eq!(text(&sample(), Strictness::Problems, PLAIN), expected);
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let coloured = text(&sample(), Strictness::Problems, Style { paint: Paint::Colours, ..PLAIN });
        let mut plain = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, behind)) = rest.split_once('\x1b') {
            plain.push_str(before);
            rest = behind.split_once('m').expect("the end of a sequence").1;
        }
        plain.push_str(rest);
        assert_eq!(plain, text(&sample(), Strictness::Problems, PLAIN));
    }

    #[test]
    fn long_lines_are_folded_at_the_edge_of_the_terminal() {
        let found = "zk3:3888 (10.0.0.3) refused the connection";
        let finding = Finding::problem("peer.election", "server 3", found, "start server 3; if it runs, look there");
        let report = Report { findings: vec![finding], nothing_configured: false };
        let expected = "\
problem  peer.election        server 3: zk3:3888 (10.0.0.3)
                              refused the connection
                              hint: start server 3; if it
                              runs, look there
";
        let style = Style { columns: Some(60), ..PLAIN };
        let folded = text(&report, Strictness::Problems, style);
        assert!(folded.starts_with(expected), "{folded}");
        assert_eq!(text(&report, Strictness::Problems, Style { columns: Some(20), ..PLAIN }).lines().count(), 4);
    }

    #[test]
    fn json_names_everything() {
        let document: serde_json::Value =
            serde_json::from_str(&json(&sample(), Strictness::Problems).expect("a document")).expect("JSON");
        assert_eq!(document["exit_code"], 1);
        assert_eq!(document["verdict"], "wrong");
        assert_eq!(document["findings"][1]["remedy"], "start server 3");
        assert_eq!(document["findings"][1]["status"], "problem");
        assert!(document["findings"][0].get("remedy").is_none());
    }
}
