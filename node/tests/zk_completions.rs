//! Completion scripts and man pages: that the shells and `man` take them.

mod support;

use ::support::prerequisites::present;
use std::path::Path;
use std::process::{Command, Output};
use support::program;

const PROGRAMS: [&str; 3] = ["zk", "zookube-node", "zkCli.sh"];

fn zk(words: &[&str]) -> Output {
    let output = Command::new(program()).arg("zk").args(words).output().expect("run the tool");
    assert!(output.status.success(), "{output:?}");
    output
}

fn file(dir: &Path, shell: &str, program: &str) -> String {
    let path = dir.join(format!("{program}.{shell}"));
    std::fs::write(&path, zk(&["completions", shell, "--program", program]).stdout).expect("a script");
    path.display().to_string()
}

/// What bash offers for the last word of a line.
fn offered(script: &str, function: &str, words: &[&str]) -> Vec<String> {
    let list: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let run = format!(
        ". {script}; COMP_WORDS=({}); COMP_CWORD={}; {function} {} '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        list.join(" "),
        words.len() - 1,
        words[0],
        words[words.len() - 1],
    );
    let output = Command::new("bash").args(["--norc", "-c", &run]).output().expect("bash");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn shells_take_the_scripts() {
    let dir = tempfile::tempdir().expect("a directory");
    let zsh = present("/usr/bin/zsh", "Debian's package zsh");
    let fish = present("/usr/bin/fish", "Debian's package fish");
    for program in PROGRAMS {
        for (shell, interpreter) in [("bash", Path::new("bash")), ("zsh", &zsh), ("fish", &fish)] {
            let script = file(dir.path(), shell, program);
            let output = Command::new(interpreter).args(["-n", &script]).output().expect("a shell");
            assert!(output.status.success() && output.stderr.is_empty(), "{shell} {program}: {output:?}");
        }
    }
}

#[test]
fn bash_offers_what_there_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let shell = file(dir.path(), "bash", "zkCli.sh");
    let of_shell = |words: &[&str]| offered(&shell, "_zk_cli", words);
    assert_eq!(of_shell(&["zkCli.sh", "-ser"]), ["-server"]);
    assert_eq!(of_shell(&["zkCli.sh", "-server", "zk1", ":", "2181", "getA"]), ["getAcl", "getAllChildrenNumber"]);
    assert_eq!(of_shell(&["zkCli.sh", "-r", "create", "-"]), ["-e", "-s", "-c", "-t", "--data-file", "--hex"]);
    let zk = file(dir.path(), "bash", "zk");
    assert_eq!(offered(&zk, "_zk", &["zk", "ens"]), ["ensemble"]);
    assert_eq!(offered(&zk, "_zk", &["zk", "top", "--onc"]), ["--once"]);
}

#[test]
fn man_takes_the_pages() {
    let mandoc = present("/usr/bin/mandoc", "Debian's package mandoc");
    let dir = tempfile::tempdir().expect("a directory");
    zk(&["man", &dir.path().display().to_string()]);
    let names: Vec<String> = std::fs::read_dir(dir.path())
        .expect("the directory")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    for name in ["zk.1", "zk-ensemble.1", "zk-top.1", "zookube-node.1", "zookube-node-run.1", "zkCli.sh.1"] {
        assert!(names.iter().any(|found| found == name), "{name} in {names:?}");
    }
    for name in &names {
        let output = Command::new(&mandoc).args(["-W", "error", "-T", "utf8"]).arg(dir.path().join(name)).output();
        let output = output.expect("mandoc");
        assert!(output.status.success() && output.stdout.len() > 100, "{name}: {output:?}");
    }
    let page = String::from_utf8(zk(&["man"]).stdout).expect("text");
    assert!(page.contains(".TH zk 1") || page.contains(".TH ZK 1"), "{page}");
}
