//! Commands about the machine and the process, which answer in whatever state the server is.

use crate::admin::call::{Call, Reply};
use crate::admin::json::Json;
use crate::admin::state::shown;
use crate::four_letter::{self, figures};

/// `EnvCommand`.
pub fn environment(_: &Call) -> Reply {
    let mut reply = Reply::default();
    for (key, value) in figures::environment() {
        reply.put(key, value);
    }
    reply
}

/// `GetTraceMaskCommand`.
pub fn get_trace_mask(_: &Call) -> Reply {
    Reply::of([("tracemask", four_letter::trace_mask().into())])
}

/// `SetTraceMaskCommand`.
pub fn set_trace_mask(call: &Call) -> Reply {
    const WANTED: &str = "setTraceMask requires long traceMask argument";
    let Some(text) = call.query.get("traceMask") else { return Reply::error(WANTED) };
    let Ok(mask) = text.parse::<i64>() else { return Reply::error(format!("{WANTED}, got {text}")) };
    four_letter::put_trace_mask(mask);
    Reply::of([("tracemask", Json::Int(mask))])
}

/// `SystemPropertiesCommand`. There is no Java here; what a configuration sets shows under the names that Apache's server gives to
/// the properties it makes of its keys.
pub fn system_properties(call: &Call) -> Reply {
    let of_machine =
        figures::environment().into_iter().filter(|(key, _)| key.starts_with("os.") || key.starts_with("user."));
    let of_keys = call.node.config.effective().into_iter().map(|entry| {
        let value = shown(&entry.key, &entry.value).to_owned();
        (format!("zookeeper.{}", entry.key), value)
    });
    let mut properties: Vec<(String, String)> =
        of_machine.map(|(key, value)| (key.to_owned(), value)).chain(of_keys).collect();
    properties.sort();
    let mut reply = Reply::default();
    for (key, value) in properties {
        reply.put(&key, value);
    }
    reply
}
