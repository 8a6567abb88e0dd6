//! The images: ours, built from the very Dockerfile that users build, and the clients'.
//!
//! No registry is asked. What the Dockerfile's first lines name comes from root file systems that `cargo xtask setup`
//! has made, and the binary is the one that was built for this test run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use support::{external, prerequisites};

use crate::container::PATIENCE;
use crate::engine::{Engine, LABEL, engine};

/// The repository of all images made here. Compose asks for `zookube-test:<engine>`.
pub const REPOSITORY: &str = "zookube-test";

/// Whose server the image runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Ours.
    Zookube,
    /// Apache's, started by ours.
    Apache,
}

impl Flavour {
    /// The Dockerfile's target, the image's tag, and the one word in the compose file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Zookube => "zookube",
            Self::Apache => "apache",
        }
    }

    /// The image, built once for each test program.
    ///
    /// # Panics
    /// When it cannot be built.
    pub fn image(self) -> &'static str {
        static ZOOKUBE: OnceLock<String> = OnceLock::new();
        static APACHE: OnceLock<String> = OnceLock::new();
        let cell = match self {
            Self::Zookube => &ZOOKUBE,
            Self::Apache => &APACHE,
        };
        cell.get_or_init(|| self.build())
    }

    fn build(self) -> String {
        let engine = engine();
        let context = Context::new();
        let image = format!("{REPOSITORY}:{}", self.word());
        let builder = format!("BUILDER_IMAGE={}", client_image());
        let mut arguments = vec!["build", "--quiet", "--force-rm", "--network", "none", "--tag", &image];
        arguments.extend(["--target", self.word(), "--build-arg", &builder, "--build-arg", "PREBUILT=prebuilt"]);
        let base = (self == Self::Apache).then(|| format!("APACHE_IMAGE={}", apache_base()));
        if let Some(base) = &base {
            arguments.extend(["--build-arg", base]);
        }
        let (dockerfile, dir) = (context.path("docker/Dockerfile"), context.path("."));
        arguments.extend(["--file", &dockerfile, &dir]);
        engine.docker(&arguments);
        image
    }
}

/// A container image with Python and kazoo, as a client has it.
///
/// # Panics
/// When it cannot be made.
pub fn client_image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| import(engine(), "client", &[]))
}

/// Java and Apache's distribution, laid out as in the official image.
///
/// # Panics
/// When it cannot be made.
pub fn apache_base() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/apache-zookeeper-3.9.5-bin/bin";
        import(engine(), "apache-base", &[path])
    })
}

/// Debian's Prometheus, started as the image of its makers starts it.
///
/// # Panics
/// When it cannot be made.
pub fn prometheus_image() -> &'static str {
    static IMAGE: OnceLock<String> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let dir = tempfile::Builder::new().prefix("zookube-prometheus-").tempdir().expect("a temporary directory");
        let root = dir.path();
        let copy = |from: &Path, to: &Path| {
            std::fs::create_dir_all(to.parent().expect("a directory")).expect("a directory of the image");
            std::fs::copy(from, to).unwrap_or_else(|e| panic!("copy {}: {e}", from.display()));
        };
        let program = prerequisites::prometheus();
        copy(&program, &root.join("bin/prometheus"));
        for library in libraries(&program) {
            copy(&library, &root.join(library.strip_prefix("/").expect("a whole path")));
        }
        std::fs::create_dir_all(root.join("prometheus")).expect("a directory of the image");
        let archive = dir.path().join("root.tar");
        let mut tar = Command::new("tar");
        tar.arg("--create").arg("--file").arg(&archive).arg("--directory").arg(root).args([
            "bin",
            "lib",
            "lib64",
            "prometheus",
        ]);
        external::run(tar, "", PATIENCE).expect_success("tar");
        let image = format!("{REPOSITORY}:prometheus");
        let label = format!("LABEL {LABEL}={}", std::process::id());
        let program = "--config.file=/etc/prometheus/prometheus.yml\",\"--storage.tsdb.path=/prometheus";
        let entry = format!("ENTRYPOINT [\"/bin/prometheus\",\"{program}\"]");
        let archive = archive.display().to_string();
        engine().docker(&["import", "--change", &label, "--change", &entry, &archive, &image]);
        image
    })
}

/// What a program is linked with.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let mut ldd = Command::new("ldd");
    ldd.arg(program);
    let text = external::run(ldd, "", PATIENCE).expect_success("ldd");
    let paths = text.lines().flat_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    paths.map(PathBuf::from).collect()
}

/// An image from the root file system of that name.
fn import(engine: &Engine, name: &str, environment: &[&str]) -> String {
    let image = format!("{REPOSITORY}:{name}");
    let archive = prerequisites::container_root(name).display().to_string();
    let label = format!("LABEL {LABEL}={}", std::process::id());
    let mut arguments = vec!["import".to_owned(), "--change".to_owned(), label];
    for variable in environment {
        arguments.extend(["--change".to_owned(), format!("ENV {variable}")]);
    }
    arguments.extend([archive, image.clone()]);
    engine.docker(&arguments);
    image
}

/// What an image is built from: the repository's own files and a binary.
struct Context {
    dir: tempfile::TempDir,
}

impl Context {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("zookube-context-").tempdir().expect("a temporary directory");
        let context = Self { dir };
        let docker = prerequisites::workspace().join("docker");
        for entry in std::fs::read_dir(&docker).expect("the directory docker/") {
            let path = entry.expect("an entry of docker/").path();
            if path.is_file() {
                context.add(&path, "docker");
            }
        }
        let server = prerequisites::zookube_node_static();
        context.add(&server, "prebuilt");
        context.add(&server.with_file_name("zookube.cdx.json"), "prebuilt");
        context
    }

    fn add(&self, file: &Path, into: &str) {
        let dir = self.dir.path().join(into);
        std::fs::create_dir_all(&dir).expect("a directory of the build context");
        let to = dir.join(file.file_name().expect("a file has a name"));
        std::fs::copy(file, &to).unwrap_or_else(|e| panic!("copy {} to {}: {e}", file.display(), to.display()));
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.dir.path().join(name);
        path.display().to_string()
    }
}
