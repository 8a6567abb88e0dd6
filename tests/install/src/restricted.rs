//! The restricted pod security standard (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), control by control, and
//! what we ask of our pods besides: a root file system that is read-only, and limits.

use serde_json::Value;

/// Kinds of volumes that the standard allows.
const VOLUMES: &[&str] =
    &["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What in a pod's `spec` the standard does not allow.
#[must_use]
pub fn problems(pod: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[key] == true {
            found.push(format!("{key} is true"));
        }
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
        let bad = kinds.filter(|key| *key != "name" && !VOLUMES.contains(key));
        found.extend(bad.map(|kind| format!("a volume is of kind {kind}")));
    }
    let containers =
        ["initContainers", "containers"].into_iter().flat_map(|key| pod[key].as_array().into_iter().flatten());
    let mut any = false;
    for container in containers {
        any = true;
        of_container(&pod["securityContext"], container, &mut found);
    }
    if !any {
        found.push("there is no container".to_owned());
    }
    found
}

fn of_container(of_pod: &Value, container: &Value, found: &mut Vec<String>) {
    let name = container["name"].as_str().unwrap_or_default();
    let mut ask = |holds: bool, problem: &str| {
        if !holds {
            found.push(format!("{name}: {problem}"));
        }
    };
    let own = &container["securityContext"];
    // The container's own word counts before the pod's.
    let either = |key: &str| if own[key].is_null() { &of_pod[key] } else { &own[key] };
    ask(either("runAsNonRoot") == true, "runAsNonRoot is not true");
    ask(either("runAsUser") != 0, "runAsUser is 0");
    let profile = either("seccompProfile")["type"].as_str().unwrap_or_default();
    ask(["RuntimeDefault", "Localhost"].contains(&profile), "there is no seccompProfile");
    ask(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation is not false");
    ask(own["privileged"] != true, "it is privileged");
    let texts = |value: &Value| value.as_array().into_iter().flatten().map(Value::to_string).collect::<Vec<_>>();
    ask(texts(&own["capabilities"]["drop"]).contains(&"\"ALL\"".to_owned()), "not all capabilities are dropped");
    ask(texts(&own["capabilities"]["add"]).iter().all(|it| it == "\"NET_BIND_SERVICE\""), "capabilities are added");
    let ports = container["ports"].as_array().into_iter().flatten();
    ask(ports.into_iter().all(|port| port["hostPort"].is_null()), "it has a port of the host");
    ask(own["readOnlyRootFilesystem"] == true, "its root file system can be written");
    ask(container["resources"]["limits"]["memory"].is_string(), "its memory has no limit");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_control_is_looked_at() {
        let good = json!({
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "a", "emptyDir": {}}],
            "containers": [{
                "name": "a",
                "resources": {"limits": {"memory": "1Gi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        });
        assert_eq!(problems(&good), Vec::<String>::new());
        for (pointer, value) in [
            ("/hostNetwork", json!(true)),
            ("/volumes/0/hostPath", json!({"path": "/"})),
            ("/securityContext/runAsNonRoot", json!(false)),
            ("/securityContext/runAsUser", json!(0)),
            ("/securityContext/seccompProfile", json!({"type": "Unconfined"})),
            ("/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
            ("/containers/0/securityContext/privileged", json!(true)),
            ("/containers/0/securityContext/capabilities/drop", json!([])),
            ("/containers/0/securityContext/capabilities/add", json!(["SYS_ADMIN"])),
            ("/containers/0/securityContext/runAsNonRoot", json!(false)),
            ("/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
            ("/containers/0/ports", json!([{"hostPort": 80}])),
            ("/containers/0/resources", json!({})),
            ("/containers", json!([])),
        ] {
            let mut bad = good.clone();
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            bad.pointer_mut(parent).expect("a parent")[key] = value;
            assert_eq!(problems(&bad).len(), 1, "{pointer}: {:?}", problems(&bad));
        }
    }
}
