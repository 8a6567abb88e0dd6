//! Apache's own Java client, 3.9.5 from Maven Central (`java/ClientSuite.java`).

use std::time::Duration;

use compat::{SUITE_LIMIT, Topology};
use support::{external, prerequisites, process};

fn suite_passes(topology: &Topology) {
    let classes = tempfile::tempdir().expect("a temporary directory");
    let class_path = prerequisites::apache_39_class_path();
    let mut compile = process::command("javac");
    compile.arg("-d").arg(classes.path()).arg("-cp").arg(&class_path);
    compile.arg(prerequisites::workspace().join("tests/compat/java/ClientSuite.java"));
    external::run(compile, "", Duration::from_secs(120)).expect_success("javac");

    let mut run = process::command("java");
    run.args(["-XX:TieredStopAtLevel=1", "-Dzookube.log=WARN", "-cp"]);
    run.arg(format!("{}:{class_path}", classes.path().display())).arg("ClientSuite").arg(topology.connect_string());
    external::run(run, "", SUITE_LIMIT).expect_success("the Java client's suite");
}

#[test]
fn every_operation_on_one_server() {
    suite_passes(&Topology::one());
}

#[test]
fn every_operation_on_three_servers() {
    suite_passes(&Topology::three());
}
