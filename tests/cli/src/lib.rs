//! The same script through Apache's shell and through ours, and what each of them said.
//!
//! A [`script::Script`] is a text file: lines for the shell, calls of the program, and what the server is to be. A
//! [`shell::Program`] is one of the three shells. [`run::run`] plays a script with a program on a fresh server, line by
//! line, and writes down which stream said what behind each line; [`mask`] replaces what no two runs have in common.
//! The result is compared to the letter, and kept in `goldens/`.

pub mod compare;
pub mod mask;
pub mod run;
pub mod script;
pub mod shell;
