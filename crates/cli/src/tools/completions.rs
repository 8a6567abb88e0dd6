//! `zk completions` and `zk man`: what shells complete, and pages for `man`, made from the same tables as the programs themselves.

use crate::shell::launch::{LaunchOption, OPTIONS};
use crate::shell::options::Spec;
use crate::shell::table::{COMMANDS, Command as ShellCommand};
use anyhow::Context;
use clap::{Args, Command, ValueEnum};
use clap_complete::Shell as ClapShell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// The name of Apache's shell.
const ZK_CLI: &str = "zkCli.sh";

const COMPLETION_EXAMPLES: &str = "\
Examples:
  zk completions bash > /etc/bash_completion.d/zk
  zk completions zsh --program zkCli.sh > ~/.zfunc/_zkCli.sh
  zk completions fish > ~/.config/fish/completions/zk.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  zk man | man -l -
  zk man /usr/local/share/man/man1";

/// A shell whose completion is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU's.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive one.
    Fish,
}

/// The arguments of `zk completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETION_EXAMPLES)]
pub struct CompletionsArgs {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
    /// For which program: zk, zkCli.sh, or zookube-node where this is a part of it.
    #[arg(long, default_value = "zk")]
    program: String,
}

/// The arguments of `zk man`.
#[derive(Debug, Args)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// Where to write a page for each program and each of its commands; without it, that of zk goes to standard output.
    dir: Option<PathBuf>,
}

/// Writes a script for a shell to standard output. `programs` are those that this one has.
///
/// # Errors
/// When it has no such program.
pub fn complete(args: &CompletionsArgs, programs: &[Command]) -> anyhow::Result<ExitCode> {
    let script = script(args.shell, &args.program, programs).with_context(|| {
        let names: Vec<&str> = programs.iter().map(Command::get_name).chain([ZK_CLI]).collect();
        format!("--program {}: expected one of {}", args.program, names.join(", "))
    })?;
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The script for a program; `None` if there is no such program.
#[must_use]
pub fn script(shell: Shell, program: &str, programs: &[Command]) -> Option<Vec<u8>> {
    if program == ZK_CLI {
        return Some(zk_cli(shell).into_bytes());
    }
    let mut command = programs.iter().find(|command| command.get_name() == program)?.clone();
    let shell = match shell {
        Shell::Bash => ClapShell::Bash,
        Shell::Zsh => ClapShell::Zsh,
        Shell::Fish => ClapShell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, program, &mut script);
    Some(script)
}

/// Writes pages.
///
/// # Errors
/// When they cannot be written.
pub fn man(args: &ManArgs, programs: &[Command]) -> anyhow::Result<ExitCode> {
    match &args.dir {
        None => {
            if let Some(first) = programs.first() {
                clap_mangen::Man::new(first.clone()).render(&mut std::io::stdout())?;
            }
        }
        Some(dir) => {
            std::fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
            for program in programs {
                let written = clap_mangen::generate_to(program.clone(), dir);
                written.with_context(|| format!("write the pages of {} to {}", program.get_name(), dir.display()))?;
            }
            let page = dir.join(format!("{ZK_CLI}.1"));
            std::fs::write(&page, zk_cli_page()).with_context(|| format!("write {}", page.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn written(option: &Spec) -> String {
    format!("{}{}", if option.ours { "--" } else { "-" }, option.name)
}

fn zk_cli(shell: Shell) -> String {
    match shell {
        Shell::Bash => zk_cli_bash(),
        Shell::Zsh => zk_cli_zsh(),
        Shell::Fish => zk_cli_fish(),
    }
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<Vec<_>>().join(" ")
}

/// The alternatives of a `case` that looks for the options with a value.
fn with_value() -> String {
    let options = OPTIONS.iter().filter(|option| !option.value.is_empty()).map(|option| option.name);
    options.collect::<Vec<_>>().join("|")
}

/// One `case` of the options of each command.
fn cases() -> String {
    let one = |command: &ShellCommand| {
        let options: Vec<String> = command.options.iter().map(written).collect();
        format!("        {}) words='{}' ;;\n", command.name, options.join(" "))
    };
    COMMANDS.iter().map(one).collect()
}

fn zk_cli_bash() -> String {
    let words = names(OPTIONS.iter().map(|option| option.name).chain(COMMANDS.iter().map(|command| command.name)));
    format!(
        "# bash completion for {ZK_CLI}
_zk_cli() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} word command= words= at=1
    while ((at < COMP_CWORD)); do
        word=${{COMP_WORDS[at]}}
        case $word in
        {with_value}) ((at++)) ;;
        -*) ;;
        # Colons end words: what follows one is the rest of an address.
        :) ((at++)) ;;
        *) command=$word; break ;;
        esac
        ((at++))
    done
    case $command in
        '') words='{words}' ;;
{cases}    esac
    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")
}}
complete -o default -F _zk_cli {ZK_CLI}
",
        with_value = with_value(),
        cases = cases(),
    )
}

fn zk_cli_zsh() -> String {
    let all = names(OPTIONS.iter().map(|option| option.name).chain(COMMANDS.iter().map(|command| command.name)));
    format!(
        "#compdef {ZK_CLI}
_zk_cli() {{
    local word command= words_now= at=2
    while ((at < CURRENT)); do
        word=${{words[at]}}
        case $word in
        {with_value}) ((at++)) ;;
        -*) ;;
        *) command=$word; break ;;
        esac
        ((at++))
    done
    case $command in
        '') words_now='{all}' ;;
{cases}    esac
    compadd -- ${{=words_now}}
}}
if [ \"$funcstack[1]\" = _{ZK_CLI} ]; then _zk_cli \"$@\"; else compdef _zk_cli {ZK_CLI}; fi
",
        with_value = with_value(),
        cases = cases().replace("words='", "words_now='"),
    )
}

fn zk_cli_fish() -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let option = |name: &str| match name.strip_prefix("--") {
        Some(long) => format!("-l {long}"),
        None if name.len() == 2 => format!("-s {}", &name[1..]),
        None => format!("-o {}", &name[1..]),
    };
    let commands = names(COMMANDS.iter().map(|command| command.name));
    let first = format!("complete -c {ZK_CLI} -n 'not __fish_seen_subcommand_from {commands}'");
    let mut text = format!("# fish completion for {ZK_CLI}\ncomplete -c {ZK_CLI} -f\n");
    // Writing to a String cannot fail.
    for LaunchOption { name, value, meaning } in OPTIONS {
        let value = if value.is_empty() { "" } else { " -r" };
        let _ = writeln!(text, "{first} {}{value} -d {}", option(name), quoted(meaning));
    }
    for command in COMMANDS {
        let _ = writeln!(text, "{first} -a {} -d {}", command.name, quoted(command.meaning));
        for spec in command.options {
            let seen = format!("-n '__fish_seen_subcommand_from {}'", command.name);
            let value = if spec.takes_value { " -r" } else { "" };
            let meaning = quoted(spec.meaning);
            let _ = writeln!(text, "complete -c {ZK_CLI} {seen} {}{value} -d {meaning}", option(&written(spec)));
        }
    }
    text
}

/// `zkCli.sh(1)`, in the language of man pages.
fn zk_cli_page() -> String {
    let escaped = |text: &str| text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let mut text = format!(
        ".TH {ZK_CLI} 1 \"\" \"zookube {}\"\n.SH NAME\n{ZK_CLI} \\- Apache's shell for ZooKeeper\n.SH SYNOPSIS\n\
         .B {ZK_CLI}\n[options] [command [arguments]]\n.SH OPTIONS\n",
        env!("CARGO_PKG_VERSION")
    );
    // Writing to a String cannot fail.
    for LaunchOption { name, value, meaning } in OPTIONS {
        let value = if value.is_empty() { String::new() } else { format!(" \\fI{}\\fR", escaped(value)) };
        let _ = writeln!(text, ".TP\n\\fB{}\\fR{value}\n{}", escaped(name), escaped(meaning));
    }
    text.push_str(".SH COMMANDS\n");
    for command in COMMANDS {
        let (name, arguments) = (escaped(command.name), escaped(command.arguments));
        let _ = writeln!(text, ".TP\n\\fB{name}\\fR {arguments}\n{}.", escaped(command.meaning));
        let _ = writeln!(text, "Example: \\fB{}\\fR", escaped(command.example));
    }
    text.push_str(".SH SEE ALSO\n.BR zk (1)\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_shell_is_completed_with_its_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = zk_cli(shell);
            for command in COMMANDS {
                assert!(text.contains(command.name), "{shell:?}: {}", command.name);
            }
            assert!(text.contains("waitforconnection"), "{shell:?}");
        }
        assert!(zk_cli_bash().contains("        ls) words='-? -s -w -R' ;;\n"));
        assert!(zk_cli_fish().contains("-n '__fish_seen_subcommand_from create' -s e -d 'ephemeral'"));
        assert!(zk_cli_page().contains("\\fBdeleteall\\fR path [\\-b batch size]"));
    }

    #[test]
    fn programs_are_found_by_name() {
        let programs = [Command::new("zk").about("x")];
        let made = |name| script(Shell::Bash, name, &programs);
        assert!(made("zk").is_some_and(|script| script.starts_with(b"_zk()")));
        assert!(made("zkCli.sh").is_some() && made("nope").is_none());
    }
}
