//! The keys that the environment declares, in the order in which the official image writes them into its `zoo.cfg`.

use zab::properties;

use super::environment::Environment;
use super::keys::{self, Disposition, Lookup};
use super::members::is_list_key;
use super::peers::{self, Template};
use super::problem::{Place, Report};
use super::source::Located;
use super::variables::{Effect, VARIABLES, is_service_link};

const SERVERS: &str = "ZOO_SERVERS";
const EXTRA: &str = "ZOO_CFG_EXTRA";
const EXAMPLE: &str = "server.1=zk1:2888:3888;2181";
/// The list of the official image where there is no other.
const SERVERS_DEFAULT: (&str, &str) = ("server.1", "localhost:2888:3888;2181");
/// The same where a key says what the client port is.
const SERVERS_DEFAULT_WITHOUT_CLIENT_PORT: &str = "localhost:2888:3888";
/// What the official image does where nobody said anything.
pub(super) const IMAGE_DEFAULT: Place = Place::Default("default of the official image");

/// What the environment says in place of a `zoo.cfg`.
pub(super) struct Declared {
    /// The keys.
    pub(super) entries: Vec<Located>,
    /// What the server list is called in messages.
    pub(super) list: Place,
    /// How the servers are called, if they have one name with ordinals.
    pub(super) template: Option<Template>,
}

/// Reads everything but the properties in `JVMFLAGS`.
pub(super) fn read(environment: &Environment, report: &mut Report) -> Declared {
    let mut entries = keys_of_variables(environment);
    let problems_before = report.problems.len();
    let template = peers::read(environment, report);
    let extra = extra(environment, report);
    let list = if environment.get("ZOOKUBE_PEERS").is_some() {
        entries.extend(template.iter().flat_map(Template::entries));
        Place::variable("ZOOKUBE_PEERS")
    } else if let Some(text) = environment.get(SERVERS) {
        entries.extend(servers(text, report));
        Place::variable(SERVERS)
    } else {
        // A server list elsewhere takes the place of the image's.
        let is_elsewhere = |entry: &Located| is_list_key(&entry.key) || entry.key == "dynamicConfigFile";
        if report.problems.len() == problems_before && !extra.iter().any(is_elsewhere) {
            let has_client_port = entries.iter().chain(&extra).any(|entry| entry.key == "clientPort");
            let (key, with_client_port) = SERVERS_DEFAULT;
            let value = if has_client_port { SERVERS_DEFAULT_WITHOUT_CLIENT_PORT } else { with_client_port };
            entries.push(Located { place: IMAGE_DEFAULT, key: key.to_owned(), value: value.to_owned() });
        }
        if extra.iter().any(is_elsewhere) { Place::variable(EXTRA) } else { IMAGE_DEFAULT }
    };
    // A default is no line that somebody wrote: it gives way without a word.
    entries.retain(|entry| entry.place != IMAGE_DEFAULT || !extra.iter().any(|other| other.key == entry.key));
    entries.extend(extra);
    Declared { entries, list, template }
}

fn keys_of_variables(environment: &Environment) -> Vec<Located> {
    let mut entries = Vec::new();
    for variable in VARIABLES {
        let Effect::Key { key, image_default } = variable.effect else { continue };
        let set = environment.get(variable.name).filter(|value| !is_service_link(variable.name, value));
        let (place, value) = match (set, image_default) {
            (Some(value), _) if asks_for_what_happens_anyway(key, value) => continue,
            (Some(value), _) => (Place::variable(variable.name), value),
            // Where only the data directory is given, there is no image that provides the other.
            (None, Some(_)) if key == "dataLogDir" && environment.get("ZOO_DATA_DIR").is_some() => continue,
            (None, Some(value)) => (IMAGE_DEFAULT, value),
            (None, None) => continue,
        };
        entries.push(Located { place, key: key.to_owned(), value: value.to_owned() });
    }
    entries
}

/// The official image always sets `ZOO_ADMINSERVER_ENABLED=true`: nobody asked for it, so nobody is told about it.
fn asks_for_what_happens_anyway(key: &str, value: &str) -> bool {
    matches!(keys::look_up(key), Lookup::Known(row)
        if matches!(row.disposition, Disposition::NoEffect { .. }) && row.default.text() == Some(value))
}

/// `ZOO_SERVERS`: each word is a line.
fn servers(text: &str, report: &mut Report) -> Vec<Located> {
    let place = Place::variable(SERVERS);
    let mut entries = Vec::new();
    for word in text.split_whitespace() {
        match word.split_once('=') {
            Some((key, value)) if is_list_key(key) && value.contains(',') => report.problem(
                &place,
                format_args!(
                    "{key}: `{value}` has a comma. hint: separate servers by blanks, as in {EXAMPLE} server.2=zk2:2888:3888;2181"
                ),
            ),
            Some((key, value)) if is_list_key(key) => {
                entries.push(Located { place: place.clone(), key: key.to_owned(), value: value.to_owned() });
            }
            Some((key, _)) if key.to_lowercase().starts_with("server") => report.problem(
                &place,
                format_args!("`{word}` does not begin like a server: expected a line such as {EXAMPLE}"),
            ),
            Some(_) => report.problem(
                &place,
                format_args!("`{word}` is no server: expected lines such as {EXAMPLE}. hint: other keys go into {EXTRA}"),
            ),
            None => report.problem(
                &place,
                format_args!(
                    "`{word}` has no `server.N=` in front: expected lines such as {EXAMPLE}, separated by blanks"
                ),
            ),
        }
    }
    entries
}

/// `ZOO_CFG_EXTRA`: each word is a line, behind all others.
fn extra(environment: &Environment, report: &mut Report) -> Vec<Located> {
    let place = Place::variable(EXTRA);
    let mut entries = Vec::new();
    for word in environment.get(EXTRA).unwrap_or_default().split_whitespace() {
        let parsed = properties::parse(word).unwrap_or_default();
        let is_pair = |entry: &properties::Entry| !entry.key.is_empty() && word.contains(['=', ':']);
        match parsed.first() {
            // What would be a comment in the file.
            None if word.starts_with(['#', '!']) => {}
            Some(entry) if is_pair(entry) => entries.push(Located {
                place: place.clone(),
                key: entry.key.trim().to_owned(),
                value: entry.value.trim().to_owned(),
            }),
            _ => {
                report.problem(
                    &place,
                    format_args!(
                        "`{word}` does not have the form key=value. hint: blanks separate the keys, so there is none beside `=` or within a value"
                    ),
                );
                // What follows is the rest of the same slip.
                break;
            }
        }
    }
    entries
}
