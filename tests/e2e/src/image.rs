//! Container images without an engine: an archive as `docker save` writes it, which containerd, Docker, kind, k3d and
//! minikube all load.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::failure::{Context, Result};
use crate::{dockerfile, programs, shell};

/// The image for tests' own pods: a shell and small programs.
pub const BUSYBOX: &str = "zookube-e2e/busybox:1";

/// An image of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Repository and tag.
    pub name: String,
    /// What containers start with.
    pub settings: Settings,
    /// What is in it, by its path without the first slash.
    pub files: BTreeMap<String, Entry>,
}

/// What containers start with, in the words of a Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `ENV`.
    pub environment: Vec<(String, String)>,
    /// `USER`.
    pub user: String,
    /// `WORKDIR`.
    pub directory: String,
    /// `VOLUME`.
    pub volumes: Vec<String>,
    /// `EXPOSE`.
    pub ports: Vec<String>,
    /// `LABEL`.
    pub labels: Vec<(String, String)>,
    /// `STOPSIGNAL`.
    pub stop_signal: String,
}

/// Something in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A directory with its mode.
    Directory(u32),
    /// A file with the bytes of that one, and its mode.
    File(PathBuf, u32),
    /// A symbolic link.
    Link(PathBuf),
}

impl Image {
    /// An image of one program, at `/<name of the program>`.
    pub fn of_program(name: &str, program: &Path, arguments: &[&str]) -> Self {
        let file = program.file_name().unwrap_or_default().to_string_lossy();
        let entrypoint = std::iter::once(format!("/{file}")).chain(arguments.iter().map(|&word| word.to_owned()));
        Self {
            name: name.to_owned(),
            settings: Settings { entrypoint: entrypoint.collect(), ..Settings::default() },
            files: BTreeMap::from([(file.into_owned(), Entry::File(program.to_owned(), 0o755))]),
        }
    }

    /// An image of a directory's contents.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn of_directory(name: &str, dir: &Path, settings: Settings) -> Result<Self> {
        let mut files = BTreeMap::new();
        enter(dir, "", &mut files)?;
        Ok(Self { name: name.to_owned(), settings, files })
    }

    /// The image of our server, as `docker/Dockerfile` makes it. `program` is linked statically and has the list of its parts
    /// beside it; `dir` is made anew to lay the image's root directory out in.
    ///
    /// # Errors
    /// When it cannot be laid out, or the Dockerfile has become more than [`dockerfile`] understands.
    pub fn of_server(name: &str, program: &Path, dir: &Path) -> Result<Self> {
        Self::of_dockerfile(name, program, dir, "docker/Dockerfile", Some("zookube"))
    }

    /// The image of the operator, as `docker/operator.Dockerfile` makes it; otherwise as [`Image::of_server`].
    ///
    /// # Errors
    /// As [`Image::of_server`].
    pub fn of_operator(name: &str, program: &Path, dir: &Path) -> Result<Self> {
        Self::of_dockerfile(name, program, dir, "docker/operator.Dockerfile", None)
    }

    fn of_dockerfile(name: &str, program: &Path, dir: &Path, file: &str, target: Option<&str>) -> Result<Self> {
        if dir.exists() {
            fs::remove_dir_all(dir).on("remove", dir)?;
        }
        let workspace = support::prerequisites::workspace();
        let mut script = Command::new("sh");
        script.arg(workspace.join("docker/rootfs.sh")).arg(dir).arg(program.parent().unwrap_or(Path::new(".")));
        shell::output(script.args(program.file_name()))?;
        Self::of_directory(name, dir, dockerfile::settings(&workspace.join(file), target)?)
    }

    /// A shell and small programs.
    ///
    /// # Errors
    /// When busybox is missing.
    pub fn busybox() -> Result<Self> {
        let program = programs::debian("bin/busybox")?;
        let list = shell::output(Command::new(&program).arg("--list"))?;
        let mut files = BTreeMap::from([
            ("bin".to_owned(), Entry::Directory(0o755)),
            ("bin/busybox".to_owned(), Entry::File(program, 0o755)),
            ("etc".to_owned(), Entry::Directory(0o755)),
            ("tmp".to_owned(), Entry::Directory(0o1777)),
        ]);
        for name in list.lines().filter(|name| *name != "busybox") {
            files.insert(format!("bin/{name}"), Entry::Link(PathBuf::from("busybox")));
        }
        let settings = Settings {
            command: vec!["/bin/sh".to_owned()],
            environment: vec![("PATH".to_owned(), "/bin".to_owned())],
            ..Settings::default()
        };
        Ok(Self { name: BUSYBOX.to_owned(), settings, files })
    }

    /// Its name as an archive's file has it.
    pub fn archive_name(&self) -> String {
        format!("{}.tar", self.name.replace(['/', ':'], "_"))
    }

    /// Writes the archive. The same image gives the same bytes.
    ///
    /// # Errors
    /// When a file of the image cannot be read, or the archive cannot be written.
    pub fn write(&self, archive: &Path) -> Result<()> {
        let layer = tempfile::tempfile().context("make a temporary file")?;
        let mut layer = Summed { file: layer, sum: Sha256::new(), bytes: 0 };
        self.write_layer(&mut layer).on("write a layer of", archive)?;
        let Summed { mut file, sum, bytes } = layer;
        io::Seek::rewind(&mut file).on("read a layer of", archive)?;

        let config = self.config(&format!("sha256:{}", hex(&sum.finalize()))).to_string();
        let config_name = format!("{}.json", hex(&Sha256::digest(&config)));
        let manifest = json!([{"Config": config_name, "RepoTags": [self.name], "Layers": ["layer.tar"]}]).to_string();
        let part = archive.with_extension("part");
        let mut tar = tar::Builder::new(File::create(&part).on("create", &part)?);
        let written = append(&mut tar, &config_name, config.len() as u64, config.as_bytes())
            .and_then(|()| append(&mut tar, "layer.tar", bytes, file))
            .and_then(|()| append(&mut tar, "manifest.json", manifest.len() as u64, manifest.as_bytes()))
            .and_then(|()| tar.finish());
        written.on("write", &part)?;
        fs::rename(&part, archive).on("rename to", archive)
    }

    fn write_layer(&self, layer: impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(layer);
        for (path, entry) in &self.files {
            match entry {
                Entry::Directory(mode) => {
                    let mut header = header(tar::EntryType::Directory, *mode, 0);
                    tar.append_data(&mut header, path, io::empty())?;
                }
                Entry::File(from, mode) => {
                    let file = File::open(from)?;
                    let mut header = header(tar::EntryType::Regular, *mode, file.metadata()?.len());
                    tar.append_data(&mut header, path, file)?;
                }
                Entry::Link(to) => {
                    let mut header = header(tar::EntryType::Symlink, 0o777, 0);
                    tar.append_link(&mut header, path, to)?;
                }
            }
        }
        tar.into_inner()?.flush()
    }

    /// As the specification of OCI images has it.
    fn config(&self, layer: &str) -> Value {
        let of = &self.settings;
        let set =
            |names: &[String]| names.iter().map(|name| (name.clone(), json!({}))).collect::<serde_json::Map<_, _>>();
        let environment: Vec<String> = of.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ports: Vec<String> = of.ports.iter().map(|port| format!("{port}/tcp")).collect();
        let config = json!({
            "Entrypoint": of.entrypoint,
            "Cmd": of.command,
            "Env": environment,
            "User": of.user,
            "WorkingDir": of.directory,
            "Volumes": set(&of.volumes),
            "ExposedPorts": set(&ports),
            "Labels": of.labels.iter().cloned().collect::<BTreeMap<_, _>>(),
            "StopSignal": of.stop_signal,
        });
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        json!({
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer]},
        })
    }
}

fn enter(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Entry>) -> Result<()> {
    for entry in dir.read_dir().on("read", dir)?.flatten() {
        let (from, name) = (entry.path(), format!("{prefix}{}", entry.file_name().to_string_lossy()));
        let metadata = fs::symlink_metadata(&from).on("look at", &from)?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
        if metadata.is_symlink() {
            files.insert(name, Entry::Link(fs::read_link(&from).on("read", &from)?));
        } else if metadata.is_dir() {
            enter(&from, &format!("{name}/"), files)?;
            files.insert(name, Entry::Directory(mode));
        } else {
            files.insert(name, Entry::File(from, mode));
        }
    }
    Ok(())
}

/// Everything is root's and from 1970: an image has no machine and no day.
fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn append(tar: &mut tar::Builder<File>, name: &str, size: u64, bytes: impl io::Read) -> io::Result<()> {
    tar.append_data(&mut header(tar::EntryType::Regular, 0o644, size), name, bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file, and the checksum of what was written into it.
struct Summed {
    file: File,
    sum: Sha256,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn sample(dir: &Path) -> Image {
        let bin = dir.join("root/bin");
        fs::create_dir_all(&bin).expect("a directory");
        fs::write(bin.join("a"), "bytes").expect("a file");
        fs::set_permissions(bin.join("a"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("a mode");
        std::os::unix::fs::symlink("a", bin.join("b")).expect("a link");
        let settings = Settings { user: "7".to_owned(), ports: vec!["80".to_owned()], ..Settings::default() };
        Image::of_directory("some/image:1", &dir.join("root"), settings).expect("an image")
    }

    /// What is in an archive, by name.
    fn read(archive: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(File::open(archive).expect("the archive"));
        let entries = archive.entries().expect("entries").map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its bytes");
            (entry.path().expect("its path").display().to_string(), bytes)
        });
        entries.collect()
    }

    #[test]
    fn an_archive_has_what_an_engine_looks_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let image = sample(dir.path());
        assert_eq!(image.archive_name(), "some_image_1.tar");
        let archive = dir.path().join(image.archive_name());
        image.write(&archive).expect("the archive can be written");

        let files = read(&archive);
        let manifest: Value = serde_json::from_slice(&files["manifest.json"]).expect("JSON");
        assert_eq!(manifest[0]["RepoTags"][0], "some/image:1");
        let layer = &files[manifest[0]["Layers"][0].as_str().expect("a layer")];
        let config = &files[manifest[0]["Config"].as_str().expect("a configuration")];
        let config: Value = serde_json::from_slice(config).expect("JSON");
        assert_eq!(config["config"]["User"], "7");
        assert_eq!(config["config"]["ExposedPorts"]["80/tcp"], json!({}));
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex(&Sha256::digest(layer))));

        let inner = dir.path().join("layer.tar");
        fs::write(&inner, layer).expect("the layer");
        assert_eq!(read(&inner)["bin/a"], b"bytes");
    }

    #[test]
    fn the_same_image_gives_the_same_bytes() {
        let dir = tempfile::tempdir().expect("a directory");
        let image = sample(dir.path());
        let write = |name: &str| {
            let path = dir.path().join(name);
            image.write(&path).expect("the archive can be written");
            fs::read(path).expect("the archive")
        };
        assert!(write("one.tar") == write("two.tar"));
    }
}
