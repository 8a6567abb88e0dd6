//! `zookube-operator`: the operator, and what it knows without a cluster.

mod run;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use kube::core::TypeMeta;
use kube::{CustomResourceExt, Resource};
use operator::build::{self, Progress};
use operator::crd::ZooKeeperCluster;
use operator::validate::{Release, validate};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// ZooKeeper ensembles on Kubernetes.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Works: looks after every ZooKeeperCluster of a Kubernetes cluster until it is told to stop.
    Run(Box<run::Arguments>),
    /// Prints the definition of the resource ZooKeeperCluster, for `kubectl apply --server-side -f -`.
    Crd,
    /// Prints the objects that a ZooKeeperCluster would have, without asking any cluster. The rules of its definition are not
    /// applied: that is the API server's business.
    #[command(after_help = "Example:\n  zookube-operator render deploy/samples/small.yaml")]
    Render {
        /// A file with one ZooKeeperCluster in YAML or JSON; `-` is standard input.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Its causes on one line, and no stack: nothing here is a mistake of the program.
            tell(&mut std::io::stderr().lock(), &format!("error: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let text = match command {
        Command::Run(arguments) => return run::run(*arguments),
        Command::Crd => yaml(&ZooKeeperCluster::crd())?,
        Command::Render { file } => render(&file)?,
    };
    tell(&mut std::io::stdout().lock(), &text);
    Ok(())
}

/// Whoever has stopped reading has what they wanted.
fn tell(to: &mut impl Write, text: &str) {
    let _ = to.write_all(text.as_bytes());
}

fn render(file: &PathBuf) -> Result<String> {
    let text = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("read standard input")?;
        text
    } else {
        std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?
    };
    let mut cluster: ZooKeeperCluster =
        serde_saphyr::from_str(&text).with_context(|| format!("{}: no ZooKeeperCluster", file.display()))?;
    let (kind, version) = (ZooKeeperCluster::kind(&()), ZooKeeperCluster::api_version(&()));
    let types: TypeMeta =
        serde_saphyr::from_str(&text).with_context(|| format!("{}: kind and apiVersion", file.display()))?;
    if types.kind != kind || types.api_version != version {
        bail!(
            "{}: expected kind {kind} of {version}, found {} of {}. hint: one resource a file",
            file.display(),
            types.kind,
            types.api_version
        );
    }
    // What the API server would have set.
    cluster.metadata.namespace.get_or_insert_with(|| "default".to_owned());
    cluster.metadata.uid.get_or_insert_with(|| "00000000-0000-0000-0000-000000000000".to_owned());
    let cluster = match validate(&cluster, &Release::default()) {
        Ok(cluster) => cluster,
        Err(refusals) => {
            let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            bail!("{}: refused\n  {}", file.display(), lines.join("\n  "));
        }
    };
    let mut objects = build::objects(&cluster, Progress { is_founded: true, ..Progress::first(&cluster) });
    objects.extend(build::monitoring(&cluster));
    let mut all = String::new();
    for object in objects {
        all += "---\n";
        all += &yaml(&object)?;
    }
    Ok(all)
}

fn yaml(object: &impl serde::Serialize) -> Result<String> {
    serde_saphyr::to_string(object).context("write YAML")
}
