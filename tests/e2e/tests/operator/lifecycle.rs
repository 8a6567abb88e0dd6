//! What people do every day: make one, make it larger and smaller, look at it, throw it away.

use super::lab::{Lab, NAME, members};
use serde_json::json;

#[test]
fn apply_to_ready() {
    let lab = Lab::new("apply");
    lab.apply(&json!({}));
    let took = lab.ready(3, 0);
    let mut writer = lab.writer(5);
    writer.goes_on();
    lab.finish(writer);
    lab.tell(&format!("3 voters ready {:.1} s after apply", took.as_secs_f64()));
    let events = lab.events();
    for reason in ["BootstrapStarted", "BootstrapCompleted"] {
        assert!(events.iter().any(|event| event == reason), "{reason} is among {events:?}");
    }
    // What everybody looks at first.
    let table = lab.must(&["get", "zk"]);
    for word in ["NAME", "READY", "QUORUM", "LEADER", "VERSION", "PHASE", "3/3", "True", "main-", "Running"] {
        assert!(table.contains(word), "{word} is in\n{table}");
    }
    println!("{table}");
    lab.must(&["wait", "zk/main", "--for=condition=Ready", "--timeout=10s"]);
    lab.must(&["wait", "zk/main", "--for=jsonpath={.status.readyReplicas}=3", "--timeout=10s"]);
    assert!(lab.must(&["explain", "zk.spec.rollout"]).contains("maxUnavailable"));
}

/// 1, 3, 5, 3, 1, 3, and all that was written is there.
#[test]
fn up_and_down_with_data() {
    let lab = Lab::running("scale", &json!({ "replicas": 1 }), 1);
    let mut writer = lab.writer(10);
    let mut times = Vec::new();
    for voters in [3, 5, 3, 1, 3] {
        lab.scale(voters).expect("kubectl scale");
        let took = lab.ready(voters as usize, 0);
        writer.goes_on();
        times.push(format!("to {voters} in {:.1} s", took.as_secs_f64()));
        assert_eq!(lab.pods().len(), voters as usize, "{:?}", lab.pods());
    }
    let written = lab.finish(writer);
    lab.tell(&format!("{}; {} writes, longest gap {} ms", times.join(", "), written.count, written.gap.as_millis()));
    let events = lab.events();
    for reason in ["ScaleStarted", "ScaleCompleted", "MemberAdded", "MemberRemoved", "MemberRetired"] {
        assert!(events.iter().any(|event| event == reason), "{reason} is among {events:?}");
    }
}

#[test]
fn an_even_number_of_voters_is_refused_with_the_message() {
    let lab = Lab::new("even");
    lab.apply(&json!({ "replicas": 1 }));
    let refusal = lab.scale(2).expect_err("two voters are refused").to_string();
    assert!(refusal.contains("even voter counts add cost but no fault tolerance"), "{refusal}");
    lab.ready(1, 0);
}

#[test]
fn observers_come_and_go() {
    let lab = Lab::running("observers", &json!({ "replicas": 1 }), 1);
    let writer = lab.writer(10);
    lab.patch(&json!({ "spec": { "observers": { "replicas": 2 } } }));
    let up = lab.ready(1, 2);
    let zk = lab.zk();
    let ids: Vec<_> = members(&zk["status"]).filter_map(|member| member["id"].as_i64()).collect();
    assert_eq!(ids, [1, 101, 102]);
    lab.patch(&json!({ "spec": { "observers": { "replicas": 0 } } }));
    let down = lab.ready(1, 0);
    lab.until("the pods of the observers to be gone", |lab| lab.pods() == ["main-0"]);
    lab.finish(writer);
    lab.tell(&format!("0 to 2 in {:.1} s, back in {:.1} s", up.as_secs_f64(), down.as_secs_f64()));
}

/// Deleted with its volumes retained, made again: what is there is not begun upon, nor thrown away.
#[test]
fn deleted_and_made_again() {
    let lab = Lab::running("again", &json!({}), 3);
    let old = lab.uid("zk", NAME);
    let mut writer = lab.writer(5);
    writer.goes_on();
    let written = writer.stop();
    lab.must(&["delete", "zk", NAME, "--timeout=60s"]);
    lab.until("pods to be gone", |lab| lab.pods().is_empty());
    assert_eq!(lab.list("pvc").len(), 3, "volumes are retained");
    lab.apply(&json!({}));
    lab.until("the operator to see whose volumes these are", |lab| lab.condition("Ready").1 == "ForeignVolume");
    assert!(lab.condition("Ready").2.contains(&format!("adoptVolumesOf: {old}")), "{:?}", lab.condition("Ready"));
    assert!(lab.pods().is_empty(), "nothing was started on them");
    lab.must(&["delete", "zk", NAME, "--timeout=60s"]);
    lab.apply(&json!({ "bootstrap": { "adoptVolumesOf": old } }));
    lab.ready(3, 0);
    lab.check(written.count);
    lab.tell(&format!("volumes adopted, {} writes there", written.count));
}

/// Volumes go with the resource where that is wished, and only then.
#[test]
fn deleted_with_its_volumes() {
    let lab = Lab::new("volumes");
    lab.apply(&json!({ "replicas": 3, "storage": { "retention": { "onDelete": "Delete", "onScaleDown": "Delete" } } }));
    lab.ready(3, 0);
    lab.scale(1).expect("kubectl scale");
    lab.ready(1, 0);
    lab.until("the volumes of those who left to be gone", |lab| lab.list("pvc").len() == 1);
    // A volume that is still being deleted is waited for.
    lab.scale(3).expect("kubectl scale");
    lab.ready(3, 0);
    lab.until("claims to belong to the resource", |lab| {
        lab.list("pvc").iter().all(|claim| claim["metadata"]["ownerReferences"][0]["kind"] == "ZooKeeperCluster")
    });
    lab.must(&["delete", "zk", NAME, "--timeout=60s"]);
    lab.until("everything to be gone", |lab| lab.list("pvc").is_empty() && lab.pods().is_empty());
}

/// As long as a name may be.
#[test]
fn a_name_of_45_letters() {
    let lab = Lab::new("names");
    let name = "z".repeat(45);
    lab.apply_as(&name, &json!({ "replicas": 1, "observers": { "replicas": 1 } })).expect("45 letters are allowed");
    lab.until("the long name to be ready", |lab| {
        let zk = lab.get("zk", &name);
        super::lab::is_true(&zk["status"], "Ready") && members(&zk["status"]).count() == 2
    });
    let refusal = lab.apply_as(&"z".repeat(46), &json!({})).expect_err("46 letters are refused").to_string();
    assert!(refusal.contains("at most 45 characters"), "{refusal}");
}

/// What the API server cannot see is told, and what runs is left as it is.
#[test]
fn a_spec_that_makes_no_sense_changes_nothing() {
    let lab = Lab::running("invalid", &json!({ "replicas": 1 }), 1);
    let pod = lab.uid("pod", "main-0");
    let template = json!({ "spec": { "hostNetwork": true } });
    lab.patch(&json!({ "spec": { "template": template, "config": { "tickTimeMs": 3000 } } }));
    lab.until("a word about it", |lab| lab.condition("ConfigValid").0 == "False");
    let (_, reason, message) = lab.condition("ConfigValid");
    assert_eq!(reason, "SpecInvalid");
    assert!(message.contains("spec.template.spec.hostNetwork") && message.contains("hint: "), "{message}");
    assert!(lab.events().contains(&"SpecInvalid".to_owned()));
    assert_eq!(lab.uid("pod", "main-0"), pod);
    lab.must(&[
        "patch",
        "zk",
        NAME,
        "--type=json",
        "-p",
        r#"[{"op":"remove","path":"/spec/template/spec/hostNetwork"}]"#,
    ]);
    lab.until("the change to be carried out", |lab| lab.uid("pod", "main-0") != pod);
    lab.ready(1, 0);
}

/// A larger volume for each server, without a pod being replaced.
#[test]
fn a_larger_volume() {
    let lab = Lab::running("larger", &json!({}), 3);
    let pods = lab.uids();
    let mut writer = lab.writer(5);
    lab.patch(&json!({ "spec": { "storage": { "data": { "size": "128Mi" } } } }));
    let asked = |claim: &serde_json::Value| claim["spec"]["resources"]["requests"]["storage"] == "128Mi";
    lab.until("all claims to ask for more", |lab| lab.list("pvc").iter().all(asked));
    lab.until("new servers to get as much", |lab| asked(&lab.get("sts", NAME)["spec"]["volumeClaimTemplates"][0]));
    let took = lab.ready(3, 0);
    writer.goes_on();
    let written = lab.finish(writer);
    assert_eq!(lab.uids(), pods, "no pod was replaced");
    let smaller =
        lab.kubectl(&["patch", "zk", NAME, "--type=merge", "-p", r#"{"spec":{"storage":{"data":{"size":"64Mi"}}}}"#]);
    let refusal = smaller.expect_err("volumes never shrink").to_string();
    assert!(refusal.contains("never smaller"), "{refusal}");
    lab.tell(&format!("ready {:.1} s later, longest gap {} ms", took.as_secs_f64(), written.gap.as_millis()));
}

/// The operator says what it would do, and does not; and it lets go and takes up again.
#[test]
fn a_dry_run_and_a_pause() {
    let lab = Lab::running("dry", &json!({ "replicas": 1 }), 1);
    lab.must(&["annotate", "zk", NAME, "zookube.dev/dry-run=true"]);
    lab.scale(3).expect("kubectl scale");
    lab.until("a plan", |lab| {
        lab.zk()["status"]["plan"][0].as_str().is_some_and(|step| step.contains("start servers 2 and 3"))
    });
    assert_eq!(lab.condition("Ready").1, "DryRun");
    lab.patch(&json!({ "spec": { "pause": true } }));
    lab.must(&["annotate", "zk", NAME, "zookube.dev/dry-run-"]);
    lab.until("the pause to be told", |lab| lab.condition("Paused").0 == "True");
    // While it only watches, whatever somebody does by hand stays.
    lab.must(&["scale", "sts", NAME, "--replicas=0"]);
    lab.until("the pod to be gone", |lab| lab.pods().is_empty() && lab.zk()["status"]["phase"] == "Paused");
    assert_eq!(lab.get("sts", NAME)["spec"]["replicas"], 0);
    lab.patch(&json!({ "spec": { "pause": false } }));
    lab.ready(3, 0);
}

/// A name that somebody else's object has is not taken over.
#[test]
fn a_name_that_is_taken() {
    let lab = Lab::new("taken");
    lab.must(&["create", "service", "clusterip", NAME, "--tcp=80"]);
    let theirs = lab.get("service", NAME)["spec"].clone();
    lab.apply(&json!({ "replicas": 1 }));
    lab.until("a word about it", |lab| lab.condition("Ready").2.contains("is there and belongs to"));
    assert_eq!(lab.get("service", NAME)["spec"], theirs);
    lab.must(&["delete", "service", NAME]);
    lab.ready(1, 0);
}
