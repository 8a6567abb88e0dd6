//! What the operator may do, beside what it does: neither call without a rule nor rule without a call.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where something is done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Cluster,
    Namespace(String),
}

/// A right that was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: String,
    pub scope: Scope,
}

/// Verbs that are granted and that no story uses: verb, group, resource, why.
const UNUSED: &[(&str, &str, &str, &str)] = &[];

/// Where the operator's own Lease is.
pub const LEASES: &str = "zookube-system";

/// Verb, group, resource: what a role grants, in a document of the manifests.
type Granted = BTreeSet<(String, String, String)>;

fn granted(documents: &[Value], kind: &str, name: &str) -> Granted {
    let is_it = |document: &&Value| document["kind"] == kind && document["metadata"]["name"] == name;
    let document = documents.iter().find(is_it).unwrap_or_else(|| panic!("{kind} {name} is in the manifests"));
    let list = |rule: &Value, key: &str| -> Vec<String> {
        let items = rule[key].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let mut all = Granted::new();
    for rule in document["rules"].as_array().expect("rules") {
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                all.extend(list(rule, "verbs").into_iter().map(|verb| (verb, group.clone(), resource.clone())));
            }
        }
    }
    all
}

/// What is not as the manifests have it; nothing if all is well.
pub fn differences(used: &BTreeSet<Right>) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/zookube.yaml");
    let text = std::fs::read_to_string(&path).expect("the manifests");
    let documents: Vec<Value> =
        text.split("\n---\n").map(|document| serde_saphyr::from_str(document).expect("YAML")).collect();
    let everywhere = granted(&documents, "ClusterRole", "zookube-operator");
    let election = granted(&documents, "Role", "zookube-operator-leader-election");
    let mut all = Vec::new();
    let mut needed = Granted::new();
    for Right { verb, group, resource, scope } in used {
        let right = ((*verb).to_owned(), (*group).to_owned(), resource.clone());
        let is_lease = election.contains(&right) && *scope == Scope::Namespace(LEASES.to_owned());
        if !everywhere.contains(&right) && !is_lease {
            all.push(format!("no rule allows to {verb} {resource} of {group:?} in {scope:?}"));
        }
        needed.insert(right);
    }
    let is_excused = |(verb, group, resource): &(String, String, String)| {
        UNUSED.iter().any(|(v, g, r, _)| (*v, *g, *r) == (verb.as_str(), group.as_str(), resource.as_str()))
    };
    for right in everywhere.union(&election) {
        match (needed.contains(right), is_excused(right)) {
            (false, false) => all.push(format!("no story uses what is granted: {right:?}")),
            (true, true) => all.push(format!("{right:?} is used and need not be excused")),
            _ => {}
        }
    }
    all
}
