//! What a check has found, and what all findings together mean.

use serde::Serialize;

/// How a finding is to be taken, in ascending order of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing has to be done.
    Note,
    /// Could not be found out. It counts neither for nor against the server.
    Unknown,
    /// The server runs, but something will hurt it one day. `--strict` makes it count.
    Warning,
    /// The server does not start, or the ensemble does not work.
    Problem,
}

impl Status {
    /// All of them, the gravest first.
    pub const ALL: [Status; 5] = [Status::Problem, Status::Warning, Status::Unknown, Status::Note, Status::Ok];

    /// As it is printed and as it stands in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Note => "note",
            Status::Unknown => "unknown",
            Status::Warning => "warning",
            Status::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check this is, `area.check`. Stable: scripts may rely on it.
    pub id: &'static str,
    /// What was looked at, where a check looks at several things: `server 2`, `/var/lib/zookube`. May be empty.
    pub about: String,
    /// How it is to be taken.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it; always there with a problem or a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    #[must_use]
    pub fn ok(id: &'static str, about: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { id, about: about.into(), status: Status::Ok, found: found.into(), remedy: None }
    }

    /// Something to know.
    #[must_use]
    pub fn note(id: &'static str, about: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { status: Status::Note, ..Finding::ok(id, about, found) }
    }

    /// Something that could not be found out; `found` says why.
    #[must_use]
    pub fn unknown(id: &'static str, about: impl Into<String>, found: impl Into<String>) -> Finding {
        Finding { status: Status::Unknown, ..Finding::ok(id, about, found) }
    }

    /// Something that will hurt one day.
    #[must_use]
    pub fn warning(
        id: &'static str,
        about: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { status: Status::Warning, remedy: Some(remedy.into()), ..Finding::ok(id, about, found) }
    }

    /// Something that keeps the server or the ensemble from working.
    #[must_use]
    pub fn problem(
        id: &'static str,
        about: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        Finding { status: Status::Problem, remedy: Some(remedy.into()), ..Finding::ok(id, about, found) }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_remedy(self, remedy: impl Into<String>) -> Finding {
        Finding { remedy: Some(remedy.into()), ..self }
    }
}

/// What counts as wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Problems.
    Problems,
    /// Problems and warnings (`--strict`).
    Warnings,
}

/// What the findings mean for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing that counts.
    Good,
    /// At least one thing that counts.
    Wrong,
    /// There was no configuration to check.
    CannotTell,
}

impl Verdict {
    /// The process's exit code.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::Good => 0,
            Verdict::Wrong => 1,
            Verdict::CannotTell => 2,
        }
    }
}

/// All findings, in the order in which they are shown.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In that order.
    pub findings: Vec<Finding>,
    /// Nothing was configured, so most checks could not be made.
    pub nothing_configured: bool,
}

impl Report {
    /// What they mean.
    #[must_use]
    pub fn verdict(&self, strictness: Strictness) -> Verdict {
        let counts = match strictness {
            Strictness::Problems => Status::Problem,
            Strictness::Warnings => Status::Warning,
        };
        if self.nothing_configured {
            Verdict::CannotTell
        } else if self.findings.iter().any(|finding| finding.status >= counts) {
            Verdict::Wrong
        } else {
            Verdict::Good
        }
    }

    /// How many findings have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }
}

/// A number with what it counts.
#[must_use]
pub fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(findings: &[Finding], lenient: Verdict, strict: Verdict) {
        let report = Report { findings: findings.to_vec(), nothing_configured: false };
        assert_eq!(report.verdict(Strictness::Problems), lenient, "{findings:?}");
        assert_eq!(report.verdict(Strictness::Warnings), strict, "{findings:?}");
    }

    #[test]
    fn what_counts_depends_on_strictness() {
        let ok = Finding::ok("a.b", "", "x");
        let unknown = Finding::unknown("a.b", "", "x");
        let warning = Finding::warning("a.b", "", "x", "y");
        let problem = Finding::problem("a.b", "", "x", "y");
        check(&[], Verdict::Good, Verdict::Good);
        check(&[ok.clone(), unknown], Verdict::Good, Verdict::Good);
        check(&[ok, warning.clone()], Verdict::Good, Verdict::Wrong);
        check(&[warning, problem], Verdict::Wrong, Verdict::Wrong);
    }

    #[test]
    fn without_a_configuration_nothing_can_be_told() {
        let problem = Finding::problem("a.b", "", "x", "y");
        let report = Report { findings: vec![problem], nothing_configured: true };
        assert_eq!(report.verdict(Strictness::Problems).exit_code(), 2);
        assert_eq!(report.count(Status::Problem), 1);
    }
}
