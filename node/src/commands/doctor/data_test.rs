use super::*;
use std::os::unix::fs::PermissionsExt;

/// The largest record of these tests.
const ENTRY_BYTES_MAX: usize = 1 << 20;

fn dirs() -> (tempfile::TempDir, DataDirs) {
    let dir = tempfile::tempdir().expect("a directory");
    let dirs = DataDirs::single(dir.path());
    fs::create_dir(dirs.snap_dir()).expect("version-2");
    (dir, dirs)
}

#[test]
fn a_lock_is_seen_while_it_is_held() {
    let (_guard, dirs) = dirs();
    assert_eq!(holder(&dirs), None);
    let lock = store::open_dirs(&RealFs, &dirs, store::Autocreate::Yes).expect("the lock");
    let found = holder(&dirs).expect("a holder");
    assert_eq!(found.pid, Some(std::process::id()));
    drop(lock);
    assert_eq!(holder(&dirs), None);
    // Looking has left nothing behind that would keep a server from starting.
    drop(store::open_dirs(&RealFs, &dirs, store::Autocreate::Yes).expect("the lock again"));
}

fn check_epochs(current: Option<&str>, accepted: Option<&str>, status: Option<Status>) {
    let (_guard, dirs) = dirs();
    for (name, text) in [("currentEpoch", current), ("acceptedEpoch", accepted)] {
        if let Some(text) = text {
            fs::write(dirs.snap_dir().join(name), text).expect("an epoch");
        }
    }
    let found = epochs(&dirs);
    assert_eq!(found.as_ref().map(|finding| finding.status), status, "{current:?} {accepted:?} {found:?}");
}

#[test]
fn epochs_that_contradict_are_found() {
    check_epochs(None, None, None);
    check_epochs(Some("3"), Some("3\n"), Some(Status::Ok));
    check_epochs(Some("3"), Some("4"), Some(Status::Ok));
    check_epochs(Some("0"), None, Some(Status::Ok));
    check_epochs(Some("4"), Some("3"), Some(Status::Problem));
    check_epochs(Some("4"), None, Some(Status::Problem));
    check_epochs(None, Some("4"), Some(Status::Problem));
    check_epochs(Some("four"), Some("4"), Some(Status::Problem));
}

#[test]
fn an_empty_directory_is_a_new_database() {
    let (_guard, dirs) = dirs();
    let inventory = inventory(&dirs).expect("an inventory");
    assert_eq!(inventory, Inventory::default());
    let finding = history(&dirs, &inventory, None, ENTRY_BYTES_MAX);
    assert_eq!((finding.status, finding.found.starts_with("empty")), (Status::Ok, true), "{finding:?}");
}

#[test]
fn logs_without_snapshots_are_a_problem() {
    let (_guard, dirs) = dirs();
    fs::write(dirs.log_dir().join("log.100000001"), "").expect("a log");
    let inventory = inventory(&dirs).expect("an inventory");
    assert_eq!((inventory.logs, inventory.log_zxid), (1, Some(Zxid(0x1_0000_0001))));
    assert_eq!(history(&dirs, &inventory, None, ENTRY_BYTES_MAX).status, Status::Problem);
}

#[test]
fn a_log_that_is_none_is_a_problem_unless_it_is_being_written() {
    let (_guard, dirs) = dirs();
    fs::write(dirs.log_dir().join("log.100000001"), "this is no log, and long enough to say so").expect("a log");
    fs::write(dirs.snap_dir().join("snapshot.0"), "").expect("a snapshot");
    let inventory = inventory(&dirs).expect("an inventory");
    let finding = history(&dirs, &inventory, None, ENTRY_BYTES_MAX);
    assert_eq!(finding.status, Status::Problem, "{finding:?}");
    assert!(finding.found.contains("log.100000001"), "{finding:?}");
    assert_eq!(history(&dirs, &inventory, Some(&Holder { pid: None }), ENTRY_BYTES_MAX).status, Status::Ok);
}

#[test]
fn a_missing_directory_is_made_unless_that_is_forbidden() {
    let (guard, _) = dirs();
    let missing = guard.path().join("a/b");
    assert_eq!(directory(&missing, true).status, Status::Note);
    assert_eq!(directory(&missing, false).status, Status::Problem);
    assert_eq!(directory(guard.path(), false).status, Status::Ok);
    fs::write(guard.path().join("file"), "").expect("a file");
    assert_eq!(directory(&guard.path().join("file/data"), true).status, Status::Problem);
}

#[test]
fn what_belongs_to_one_user_is_fine() {
    let (guard, dirs) = dirs();
    fs::write(dirs.log_dir().join("log.100000001"), "").expect("a log");
    assert_eq!(ownership(guard.path()).expect("a directory").status, Status::Ok);
    if rustix::process::geteuid().is_root() {
        let file = dirs.log_dir().join("log.100000001");
        std::os::unix::fs::chown(&file, Some(65_534), None).expect("root may give files away");
        let finding = ownership(guard.path()).expect("a directory");
        assert_eq!(finding.status, Status::Warning, "{finding:?}");
        assert!(finding.found.contains("log.100000001 to uid 65534"), "{finding:?}");
        // A volume that is open to every user, as the image's are, is for whoever runs the server.
        std::os::unix::fs::chown(guard.path(), Some(65_534), None).expect("root may give files away");
        fs::set_permissions(guard.path(), fs::Permissions::from_mode(0o1777)).expect("the owner may");
        let finding = ownership(guard.path()).expect("a directory");
        assert_eq!(finding.remedy.as_deref(), Some(&*format!("chown -R 0 {}", guard.path().display())));
    }
}
