//! What a cluster is made of, and where it is: Kubernetes and CoreDNS built from their Go modules into
//! `~/.cache/zookube/e2e`, everything else from Debian's packages, installed or unpacked beside them.
//!
//! `cargo xtask e2e` brings what is missing; the functions that only look say so when something is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use sha2::{Digest, Sha256};

use crate::failure::{Context, Failure, Result};
use crate::{fail, shell};

/// Debian's packages whose programs need no installation, which could start services: package, one of its programs.
const UNPACKED: &[(&str, &str)] = &[
    ("etcd-server", "bin/etcd"),
    ("containerd", "bin/containerd"),
    ("runc", "sbin/runc"),
    ("containernetworking-plugins", "lib/cni/ptp"),
    ("busybox-static", "bin/busybox"),
];

/// Debian's packages that must be installed, and one of their programs.
const INSTALLED: &[(&str, &str)] = &[
    ("iproute2", "ip"),
    ("iptables", "iptables"),
    ("mount", "mount"),
    ("util-linux", "nsenter"),
    // What containerd and runc are linked with.
    ("libseccomp2", "libseccomp.so.2"),
];

/// A Go module of this directory and what is built from it.
struct Module {
    /// Its directory, beside this crate's manifest.
    name: &'static str,
    /// The module whose version the result has.
    main: &'static str,
    packages: &'static [&'static str],
    /// Whether the program goes into an image without a C library.
    is_static: bool,
}

const KUBERNETES: Module = Module {
    name: "kubernetes",
    main: "k8s.io/kubernetes",
    packages: &[
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-proxy",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kubectl",
        "k8s.io/kubernetes/cmd/kubelet",
    ],
    is_static: false,
};

const COREDNS: Module =
    Module { name: "coredns", main: "github.com/coredns/coredns", packages: &["zookube.dev/coredns"], is_static: true };

/// Where what was built is kept: `$XDG_CACHE_HOME/zookube/e2e`.
///
/// # Errors
/// When there is no home directory.
pub fn cache() -> Result<PathBuf> {
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    match base.or_else(|| env::home_dir().map(|home| home.join(".cache"))) {
        Some(base) => Ok(base.join("zookube/e2e")),
        None => fail!("there is no home directory. hint: set HOME or XDG_CACHE_HOME"),
    }
}

/// A program of Kubernetes: `kubectl`, `kubelet`, ...
///
/// # Errors
/// When it is not built.
pub fn kubernetes(program: &str) -> Result<PathBuf> {
    present(KUBERNETES.place()?.join(program))
}

/// The version of Kubernetes, as `go.mod` pins it: `v1.34.2`.
///
/// # Errors
/// When `go.mod` cannot be read.
pub fn kubernetes_version() -> Result<String> {
    KUBERNETES.version()
}

/// CoreDNS, linked statically.
///
/// # Errors
/// When it is not built.
pub fn coredns() -> Result<PathBuf> {
    present(COREDNS.place()?.join("coredns"))
}

/// A program of Debian's, installed or unpacked: `bin/etcd`, `sbin/runc`, `lib/cni/ptp`.
///
/// # Errors
/// When it is in neither place.
pub fn debian(program: &str) -> Result<PathBuf> {
    let unpacked = unpacked_dir()?;
    let places = [Path::new("/usr").join(program), Path::new("/").join(program)];
    let places = places.into_iter().chain([unpacked.join("usr").join(program), unpacked.join(program)]);
    places.into_iter().find(|path| path.exists()).ok_or_else(|| missing(program))
}

fn unpacked_dir() -> Result<PathBuf> {
    Ok(cache()?.join("debian"))
}

fn present(path: PathBuf) -> Result<PathBuf> {
    if path.exists() { Ok(path) } else { Err(missing(&path.display().to_string())) }
}

fn missing(what: &str) -> Failure {
    Failure(format!("{what} is missing. hint: `cargo xtask e2e` brings what a cluster is made of"))
}

/// Debian's packages that must be installed, with whether they are there.
pub fn packages() -> Vec<(&'static str, bool)> {
    let places = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/lib", "/usr/lib"].map(PathBuf::from);
    let libraries = format!("{}-linux-gnu", env::consts::ARCH);
    let libraries = [Path::new("/lib").join(&libraries), Path::new("/usr/lib").join(&libraries)];
    let places: Vec<PathBuf> = places.into_iter().chain(libraries).collect();
    let there = |file: &str| places.iter().any(|place| place.join(file).exists());
    INSTALLED.iter().map(|(package, file)| (*package, there(file))).collect()
}

/// Unpacks and builds what is missing. Kubernetes takes ten minutes on two cores, once.
///
/// # Errors
/// When a package cannot be fetched or a module cannot be built.
pub fn complete(say: &mut dyn FnMut(&str)) -> Result<()> {
    for (package, program) in UNPACKED {
        if debian(program).is_err() {
            say(&format!("unpack Debian's {package}"));
            unpack(package).context(format!("unpack Debian's {package}"))?;
            debian(program)?;
        }
    }
    for module in [&COREDNS, &KUBERNETES] {
        module.complete(say)?;
    }
    Ok(())
}

fn unpack(package: &str) -> Result<()> {
    let dir = unpacked_dir()?;
    fs::create_dir_all(&dir).on("create", &dir)?;
    let fetched = tempfile::Builder::new().prefix("fetched-").tempdir_in(&dir).on("create a directory in", &dir)?;
    shell::output(Command::new("apt-get").args(["-qq", "download", package]).current_dir(fetched.path())).map_err(
        |e| {
            Failure(format!("{e}\nhint: `apt-get update`; or install {package} with this system's own package manager"))
        },
    )?;
    for entry in fetched.path().read_dir().on("read", fetched.path())?.flatten() {
        shell::output(Command::new("dpkg-deb").arg("--extract").arg(entry.path()).arg(&dir))?;
    }
    Ok(())
}

impl Module {
    fn dir(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.name)
    }

    /// As `go.mod` has it, with its `v`.
    fn version(&self) -> Result<String> {
        let path = self.dir().join("go.mod");
        let text = fs::read_to_string(&path).on("read", &path)?;
        let mut lines = text.lines().map(|line| line.trim_start_matches("require").trim());
        let version = lines.find_map(|line| line.strip_prefix(self.main)?.split_whitespace().next());
        version.map(str::to_owned).ok_or_else(|| Failure(format!("{} does not require {}", path.display(), self.main)))
    }

    /// Named for all that goes into it.
    fn place(&self) -> Result<PathBuf> {
        let mut sum = Sha256::new();
        for file in self.dir().read_dir().on("read", &self.dir())?.flatten().map(|entry| entry.path()) {
            sum.update(fs::read(&file).on("read", &file)?);
        }
        sum.update(self.flags()?);
        let sum: String = sum.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Ok(cache()?.join(format!("{}-{}-{sum}", self.name, self.version()?.trim_start_matches('v'))))
    }

    /// For the linker. Programs of Kubernetes say their version to each other, and the module does not know it.
    fn flags(&self) -> Result<String> {
        let version = self.version()?;
        let mut numbers = version.trim_start_matches('v').split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        let place = "k8s.io/component-base/version";
        Ok(format!("-s -w -X {place}.gitVersion={version} -X {place}.gitMajor={major} -X {place}.gitMinor={minor}"))
    }

    fn complete(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        let place = self.place()?;
        if place.exists() {
            return Ok(());
        }
        say(&format!("build {} {} into {}", self.name, self.version()?, place.display()));
        // Renamed when whole: half of it must not count.
        let part = place.with_extension("part");
        fs::create_dir_all(&part).on("create", &part)?;
        let mut go = Command::new("go");
        go.arg("build").arg("-o").arg(&part).arg("-ldflags").arg(self.flags()?).args(self.packages);
        go.current_dir(self.dir()).env("GOFLAGS", "-mod=readonly -buildvcs=false");
        if self.is_static {
            go.env("CGO_ENABLED", "0");
        }
        shell::output(&mut go).map_err(|e| Failure(format!("{e}\nhint: this takes Go 1.25 or later, from go.dev")))?;
        fs::rename(&part, &place).on("rename to", &place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_modules() {
        let version = kubernetes_version().expect("go.mod requires Kubernetes");
        assert!(version.starts_with("v1."), "{version}");
        let flags = KUBERNETES.flags().expect("flags");
        assert!(flags.contains(&format!("gitVersion={version} ")), "{flags}");
        assert!(flags.contains("gitMajor=1 "), "{flags}");
    }
}
