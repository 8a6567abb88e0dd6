//! The programs of the control plane and their settings: etcd, API server, controllers, scheduler, volumes.
//!
//! There are no certificates but the one that the API server makes for itself, which is its own authority and whose key also
//! signs service accounts; everybody else has a token. The addresses are within a namespace of this cluster.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::failure::{Context, Result};
use crate::keeper::Program;
use crate::network::{NODES_MAX, Network};
use crate::{programs, registry};

/// How long a node may be silent before it counts as lost, in seconds. Kubernetes' own is 50.
pub const NODE_GRACE_S: u32 = 20;

/// How long pods stay on a lost node, in seconds. Kubernetes' own is 300.
pub const TOLERATION_S: u32 = 30;

/// The files of a cluster's control plane, in the directory of its run.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    dir: PathBuf,
    network: Network,
}

impl ControlPlane {
    /// That of the cluster in `dir`.
    pub fn new(dir: &Path, network: Network) -> Self {
        Self { dir: dir.to_owned(), network }
    }

    /// For people and tests: may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join(registry::KUBECONFIG)
    }

    fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.dir.join("users").join(user)
    }

    /// That of a node's kubelet.
    pub fn kubeconfig_of_node(&self, name: &str) -> PathBuf {
        self.kubeconfig_of(&format!("system:node:{name}"))
    }

    /// That of every node's kube-proxy.
    pub fn kubeconfig_of_proxy(&self) -> PathBuf {
        self.kubeconfig_of("system:kube-proxy")
    }

    /// What the API server's certificate is to be checked against; it is there when the server is.
    fn authority(&self) -> PathBuf {
        self.dir.join("pki/apiserver.crt")
    }

    /// Where a program writes.
    pub fn log(&self, program: &str) -> PathBuf {
        self.dir.join("logs").join(format!("{program}.log"))
    }

    /// Writes tokens and the files in which programs find theirs.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_users(&self) -> Result<()> {
        for dir in ["users", "logs", "pki"].map(|name| self.dir.join(name)) {
            fs::create_dir_all(&dir).on("create", &dir)?;
        }
        let mut users = vec![
            ("admin".to_owned(), "system:masters"),
            ("system:kube-controller-manager".to_owned(), ""),
            ("system:kube-scheduler".to_owned(), ""),
            ("system:kube-proxy".to_owned(), ""),
        ];
        users.extend((1..=NODES_MAX).map(|index| (format!("system:node:node-{index}"), "system:nodes")));
        let mut table = String::new();
        for (user, group) in users {
            let token = token()?;
            table += &format!("{token},{user},{user},\"{group}\"\n");
            let path = if user == "admin" { self.kubeconfig() } else { self.kubeconfig_of(&user) };
            fs::write(&path, self.kubeconfig_text(&user, &token)).on("write", &path)?;
        }
        let path = self.tokens();
        fs::write(&path, table).on("write", &path)
    }

    fn tokens(&self) -> PathBuf {
        self.dir.join("users/tokens.csv")
    }

    fn kubeconfig_text(&self, user: &str, token: &str) -> String {
        let cluster = json!({"server": self.network.api(), "certificate-authority": self.authority()});
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
            "current-context": "e2e",
        });
        format!("{text:#}\n")
    }

    fn program(&self, name: &str, path: &Path, flags: &[(&str, String)]) -> Program {
        let flags = flags.iter().map(|(name, value)| format!("--{name}={value}"));
        let command = std::iter::once(path.display().to_string()).chain(flags).collect();
        Program { name: name.to_owned(), log: self.log(name), command }
    }

    /// The store and the API server, which need nothing else.
    ///
    /// # Errors
    /// When a program is missing.
    pub fn api(&self) -> Result<Vec<Program>> {
        let (address, url) = (self.network.control_plane().to_string(), self.network.etcd());
        let peers = format!("http://{address}:2380");
        let etcd = self.program(
            "etcd",
            &programs::debian("bin/etcd")?,
            &[
                ("data-dir", self.in_dir("etcd")),
                ("listen-client-urls", url.clone()),
                ("advertise-client-urls", url.clone()),
                ("listen-peer-urls", peers.clone()),
                ("initial-advertise-peer-urls", peers.clone()),
                ("initial-cluster", format!("default={peers}")),
            ],
        );
        let key = self.in_dir("pki/apiserver.key");
        let api = self.program(
            "kube-apiserver",
            &programs::kubernetes("kube-apiserver")?,
            &[
                ("etcd-servers", url),
                ("bind-address", address.clone()),
                ("advertise-address", address),
                ("cert-dir", self.in_dir("pki")),
                ("token-auth-file", self.tokens().display().to_string()),
                ("authorization-mode", "Node,RBAC".to_owned()),
                ("enable-admission-plugins", "NodeRestriction".to_owned()),
                ("allow-privileged", "true".to_owned()),
                ("service-cluster-ip-range", self.network.services()),
                ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
                ("service-account-key-file", key.clone()),
                ("service-account-signing-key-file", key),
                // Names of nodes are known nowhere.
                ("kubelet-preferred-address-types", "InternalIP".to_owned()),
                // What it would do takes an etcd that is newer than Debian's.
                ("feature-gates", "SizeBasedListCostEstimate=false".to_owned()),
                ("default-not-ready-toleration-seconds", TOLERATION_S.to_string()),
                ("default-unreachable-toleration-seconds", TOLERATION_S.to_string()),
            ],
        );
        Ok(vec![etcd, api])
    }

    /// What needs an API server that answers. `keeper` is the program that makes volumes.
    ///
    /// # Errors
    /// When a program is missing.
    pub fn controllers(&self, keeper: &Path) -> Result<Vec<Program>> {
        let address = self.network.control_plane().to_string();
        let common = |user: &str| {
            vec![
                ("kubeconfig", self.kubeconfig_of(user).display().to_string()),
                ("bind-address", address.clone()),
                ("leader-elect", "false".to_owned()),
            ]
        };
        let mut flags = common("system:kube-controller-manager");
        flags.extend([
            ("root-ca-file", self.authority().display().to_string()),
            ("service-account-private-key-file", self.in_dir("pki/apiserver.key")),
            ("use-service-account-credentials", "true".to_owned()),
            ("node-monitor-grace-period", format!("{NODE_GRACE_S}s")),
        ]);
        let name = "kube-controller-manager";
        let controllers = self.program(name, &programs::kubernetes(name)?, &flags);
        let name = "kube-scheduler";
        let scheduler = self.program(name, &programs::kubernetes(name)?, &common("system:kube-scheduler"));
        let volumes = Program {
            name: "volumes".to_owned(),
            log: self.log("volumes"),
            command: vec![keeper.display().to_string(), "volumes".to_owned(), self.in_dir("")],
        };
        Ok(vec![controllers, scheduler, volumes])
    }

    fn in_dir(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

/// 128 bits that nobody guesses.
fn token() -> Result<String> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 16];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).on("read", path)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
