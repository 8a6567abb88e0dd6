//! What containers of our images start with, read from the Dockerfiles that users build.
//!
//! Only as much of the language as those files use, and a clear word where they begin to use more.

use std::path::Path;

use crate::fail;
use crate::failure::{Context, Result};
use crate::image::Settings;

/// The settings of the target `target` of the Dockerfile at `path`; of the one without a name, if `None`.
///
/// # Errors
/// When there is no such target, or an instruction that this does not understand.
pub fn settings(path: &Path, target: Option<&str>) -> Result<Settings> {
    let text = std::fs::read_to_string(path).on("read", path)?;
    read(&text, target).on("read", path)
}

fn read(text: &str, target: Option<&str>) -> Result<Settings> {
    let instructions = instructions(text);
    let mut settings = Settings::default();
    let mut arguments: Vec<(String, String)> = Vec::new();
    let mut stage = None;
    for (word, rest) in &instructions {
        if word == "FROM" {
            stage = rest.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("as")).nth(1);
        } else if stage == target {
            let rest = substitute(rest, &arguments);
            apply(&mut settings, &mut arguments, word, &rest)?;
        }
    }
    if settings == Settings::default() { fail!("there is no target {target:?}") } else { Ok(settings) }
}

/// The lines without comments, continued ones joined, each split behind its first word.
fn instructions(text: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty());
    let split = lines.filter_map(|line| line.split_once(char::is_whitespace));
    split.map(|(word, rest)| (word.to_ascii_uppercase(), rest.trim().to_owned())).collect()
}

fn substitute(text: &str, arguments: &[(String, String)]) -> String {
    arguments.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn apply(settings: &mut Settings, arguments: &mut Vec<(String, String)>, word: &str, rest: &str) -> Result<()> {
    match word {
        // What the health check does is the kubelet's affair, what is copied that of `docker/rootfs.sh`.
        "COPY" | "HEALTHCHECK" => {}
        "ARG" => arguments.extend(pairs(rest)),
        "LABEL" => settings.labels.extend(pairs(rest)),
        "ENV" => settings.environment.extend(pairs(rest)),
        "USER" => settings.user = rest.to_owned(),
        "WORKDIR" => settings.directory = rest.to_owned(),
        "STOPSIGNAL" => settings.stop_signal = rest.to_owned(),
        "VOLUME" => settings.volumes = list(rest)?,
        "ENTRYPOINT" => settings.entrypoint = list(rest)?,
        "CMD" => settings.command = list(rest)?,
        "EXPOSE" => settings.ports = rest.split_whitespace().map(str::to_owned).collect(),
        _ => {
            return fail!(
                "`{word} {rest}`: an instruction that this reader does not know. hint: teach it in dockerfile.rs"
            );
        }
    }
    Ok(())
}

/// `a=b c="d e"`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while let Some((name, behind)) = rest.split_once('=') {
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => behind.split_once(char::is_whitespace).unwrap_or((behind, "")),
        };
        pairs.push((name.trim().to_owned(), value.to_owned()));
        rest = behind.trim_start();
    }
    pairs
}

/// `["a", "b"]`: the form that starts no shell, of which the image has none.
fn list(text: &str) -> Result<Vec<String>> {
    serde_json::from_str(text).context(format!("`{text}` is no list of words"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_described_as_users_build_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/Dockerfile");
        let settings = settings(&path, Some("zookube")).expect("the Dockerfile has the target");
        assert_eq!(settings.entrypoint, ["/usr/bin/zookube-node"]);
        assert_eq!(settings.command, ["run"]);
        assert_eq!(settings.user, "1000:1000");
        assert_eq!(settings.directory, "/data");
        assert!(settings.volumes.contains(&"/datalog".to_owned()), "{settings:?}");
        assert!(settings.ports.contains(&"2181".to_owned()), "{settings:?}");
        assert!(settings.environment.contains(&("ZOO_DATA_DIR".to_owned(), "/data".to_owned())), "{settings:?}");
        let version = settings.labels.iter().find(|(name, _)| name.ends_with(".version"));
        assert!(version.is_some_and(|(_, value)| !value.contains('$')), "{version:?}");
    }

    #[test]
    fn so_is_the_operators() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/operator.Dockerfile");
        let settings = settings(&path, None).expect("the Dockerfile has a target");
        assert_eq!(settings.entrypoint, ["/usr/bin/zookube-operator"]);
        assert_eq!(settings.command, ["run"]);
        assert_eq!(settings.user, "65532:65532");
    }

    #[test]
    fn an_unknown_instruction_is_named() {
        let error = read("FROM scratch AS a\nUSER 1\nONBUILD RUN x\n", Some("a")).expect_err("ONBUILD is unknown");
        assert!(error.0.contains("ONBUILD RUN x"), "{error}");
    }
}
