//! kazoo from PyPI and its recipes (`kazoo/recipes.py`).

use compat::{SUITE_LIMIT, Topology};
use support::{external, prerequisites, process};

fn recipes_pass(topology: &Topology) {
    let mut command = process::command(prerequisites::python());
    command.arg(prerequisites::workspace().join("tests/compat/kazoo/recipes.py")).arg(topology.connect_string());
    external::run(command, "", SUITE_LIMIT).expect_success("kazoo's recipes");
}

#[test]
fn recipes_on_one_server() {
    recipes_pass(&Topology::one());
}

#[test]
fn recipes_on_three_servers() {
    recipes_pass(&Topology::three());
}
