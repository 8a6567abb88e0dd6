//! `zk find`: the znodes of a subtree that have all the properties asked for.

use super::frontier::{Place, Read};
use super::glob::Glob;
use super::kind::{Kind, KindName, TypesFrom};
use super::out::{Out, Output};
use super::session::{self, Session};
use super::walk::{Answer, Outline, Walk, outline};
use crate::path;
use crate::zk::Connection;
use clap::Args;
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::ErrorCode;

/// What `zk find` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0; 1 if the ACLs of some znodes were in the way (they are named on standard error).

Examples:
  zk find /app --name 'lock-*' --type ephemeral
  zk find --larger 100000                      what makes the snapshots big
  zk find /app --older 30d --type persistent   what nobody has changed for a month
  zk find --owner 0x1000a5f2c3b0001            what a session would take along
  zk find /app --data old-host -0 | xargs -0 -n1 zk cli get")]
pub struct FindArgs {
    #[command(flatten)]
    connection: Connection,
    /// Where to begin.
    #[arg(default_value = "/", value_parser = path::typed)]
    path: String,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    types: TypesFrom,
    /// End each path with a null byte in place of a new line.
    #[arg(short = '0', conflicts_with = "output")]
    null: bool,
    /// How to write.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Properties; a znode must have all that are given.
#[derive(Debug, Default, Args)]
pub struct Wanted {
    /// Its name has this form: `*`, `?`, `[a-z]`; with a slash in the pattern, the path below PATH.
    #[arg(long, value_name = "GLOB", value_parser = Glob::parse)]
    name: Option<Glob>,
    /// Its data have this text somewhere.
    #[arg(long, value_name = "TEXT")]
    data: Option<String>,
    /// It is of this type; container and ttl need --types.
    #[arg(long = "type", value_enum)]
    kind: Option<KindName>,
    /// It has more data than this.
    #[arg(long, value_name = "BYTES")]
    larger: Option<u64>,
    /// It was created or its data changed within this time, such as 90s, 15m, 12h, 7d; by the servers' clocks.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    newer: Option<Duration>,
    /// It was not.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "newer")]
    older: Option<Duration>,
    /// It belongs to this session.
    #[arg(long, value_name = "SESSION", value_parser = session_id)]
    owner: Option<i64>,
}

/// A time for people: a whole number and `ms`, `s`, `m`, `h`, `d` or `w`.
///
/// # Errors
/// What was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a number and its unit, such as 90s, 15m, 12h, 7d, found {text:?}");
    let at = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..at].parse().map_err(|_| wrong())?;
    let unit_ms = match &text[at..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(wrong)
}

/// A session's id as logs write it: hexadecimal, with or without `0x`.
fn session_id(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .map(u64::cast_signed)
        .map_err(|_| format!("expected a session's id in hexadecimal, such as 0x1000a5f2c3b0001, found {text:?}"))
}

impl Wanted {
    /// Whether a znode has the properties that need no data. `relative` is its path below the root, `now_ms` the time.
    #[must_use]
    pub fn suits(&self, relative: &str, outline: &Outline, now_ms: i64) -> bool {
        let stat = &outline.stat;
        let age_ms = u128::try_from(now_ms.saturating_sub(stat.mtime)).unwrap_or_default();
        let name = |glob: &Glob| glob.matches(path::name(relative)) || glob.matches(relative);
        self.name.as_ref().is_none_or(name)
            && self.kind.is_none_or(|kind| kind == outline.kind.unwrap_or(Kind::Persistent).name())
            && self.larger.is_none_or(|bytes| u64::try_from(stat.data_length).is_ok_and(|length| length > bytes))
            && self.newer.is_none_or(|newer| age_ms <= newer.as_millis())
            && self.older.is_none_or(|older| age_ms > older.as_millis())
            && self.owner.is_none_or(|owner| owner != 0 && owner == stat.ephemeral_owner)
    }

    /// Whether data have the text.
    #[must_use]
    pub fn suits_data(&self, data: &[u8]) -> bool {
        let Some(text) = &self.data else { return true };
        text.is_empty() || data.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

/// What is found of a znode.
struct Found {
    outline: Outline,
    is_wanted: bool,
}

async fn fetch(session: Session, root: String, wanted: &Wanted, place: Place, now_ms: i64) -> Answer<Found> {
    let Some((mut outline, children)) = outline(&session, &place.path).await? else { return Ok(None) };
    let relative = path::relative(&root, &place.path).unwrap_or_default();
    let mut is_wanted = wanted.suits(relative, &outline, now_ms);
    if is_wanted && wanted.data.is_some() && outline.is_open {
        match session.ask(async |client| client.get_data(&place.path, false).await).await {
            Ok((data, _)) => is_wanted = wanted.suits_data(&data.unwrap_or_default()),
            Err(error) if error.is(ErrorCode::NoNode) => return Ok(None),
            Err(error) if error.is(ErrorCode::NoAuth) => outline.is_open = false,
            Err(error) => return Err(error),
        }
    }
    // Data that cannot be read are not known to have the text.
    is_wanted &= outline.is_open || wanted.data.is_none();
    Ok(Some(Read { item: Found { outline, is_wanted }, children, bytes: size_of::<Found>() }))
}

/// Runs `zk find`.
///
/// # Errors
/// When there is no such path, no server, or nobody to write to.
pub fn run(args: FindArgs) -> anyhow::Result<ExitCode> {
    let wanted: std::sync::Arc<Wanted> = std::sync::Arc::new(args.wanted);
    session::run(async move {
        let (session, _events) = Session::open(&args.connection, None).await?;
        let session = session.with_types(&args.types)?;
        let is_told = session.has_types() || !matches!(wanted.kind, Some(KindName::Container | KindName::Ttl));
        anyhow::ensure!(
            is_told,
            "--type: servers do not tell clients which znodes are containers or have a time to live; --types SNAPSHOT does"
        );
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let mut walk = Walk::new(&args.path, |place| {
            let (session, root, wanted) = (session.clone(), args.path.clone(), wanted.clone());
            async move { fetch(session, root, &wanted, place, now_ms).await }
        });
        let (mut out, mut read, mut code) = (Out::of_process(), 0_u64, ExitCode::SUCCESS);
        while let Some((place, found)) = walk.next().await.map_err(|error| session.failure(&error))? {
            read += 1;
            if found.is_wanted {
                match args.output {
                    Output::Text => out.ended(&place.path, if args.null { 0 } else { b'\n' })?,
                    Output::Json => out.line(&document(&place.path, &found.outline))?,
                }
            }
            if !found.outline.is_open {
                crate::shell::screen::Screen::of_process()
                    .failure(&format!("{}: {}", place.path, session::no_auth(&place.path)), None);
                code = ExitCode::from(crate::shell::failure::FAILED);
            }
        }
        out.flush()?;
        session.client.close().await;
        anyhow::ensure!(read > 0, "{}: there is no such znode on {}", args.path, session.hosts());
        Ok(code)
    })
}

fn document(path: &str, outline: &Outline) -> String {
    json!({
        "path": path,
        "dataBytes": outline.stat.data_length,
        "children": outline.stat.num_children,
        "type": outline.kind.map_or("persistent", Kind::word),
        "mtimeMs": outline.stat.mtime,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Stat;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2w"), Ok(Duration::from_secs(14 * 86_400)));
        for wrong in ["", "s", "5", "5y", "-5s", "99999999999999999999s", "18446744073709551615w"] {
            assert!(duration(wrong).unwrap_err().contains("such as 90s"), "{wrong}");
        }
    }

    #[test]
    fn sessions_are_hexadecimal() {
        assert_eq!(session_id("0x10"), Ok(16));
        assert_eq!(session_id("ffffffffffffffff"), Ok(-1));
        assert!(session_id("0xyz").is_err());
    }

    fn suits(wanted: &Wanted) -> bool {
        let stat = Stat { data_length: 10, mtime: 1_000, ephemeral_owner: 0x77, ..Stat::default() };
        let kind = Some(Kind::Ephemeral(0x77));
        wanted.suits("locks/lock-1", &Outline { stat, kind, is_open: true }, 61_000)
    }

    #[test]
    fn a_znode_must_have_all_properties() {
        let name = |text: &str| Wanted { name: Glob::parse(text).ok(), ..Wanted::default() };
        assert!(suits(&Wanted::default()));
        assert!(suits(&name("lock-*")) && suits(&name("locks/*")) && !suits(&name("locks")));
        assert!(suits(&Wanted { kind: Some(KindName::Ephemeral), larger: Some(9), ..name("lock-*") }));
        assert!(!suits(&Wanted { kind: Some(KindName::Ephemeral), larger: Some(10), ..name("lock-*") }));
        assert!(!suits(&Wanted { kind: Some(KindName::Persistent), ..Wanted::default() }));
        assert!(suits(&Wanted { newer: duration("60s").ok(), ..Wanted::default() }));
        assert!(!suits(&Wanted { older: duration("60s").ok(), ..Wanted::default() }));
        assert!(suits(&Wanted { older: duration("59s").ok(), owner: Some(0x77), ..Wanted::default() }));
        assert!(!suits(&Wanted { owner: Some(0x78), ..Wanted::default() }));
    }

    #[test]
    fn data_are_searched_as_bytes() {
        let data = |text: &str| Wanted { data: Some(text.to_owned()), ..Wanted::default() };
        assert!(data("é").suits_data("xéy".as_bytes()));
        assert!(data("").suits_data(b""));
        assert!(!data("long").suits_data(b"lon"));
        assert!(Wanted::default().suits_data(b""));
    }
}
