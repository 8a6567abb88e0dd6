//! `zk`, as a program of its own.

fn main() -> std::process::ExitCode {
    cli::zk::main(std::env::args())
}
