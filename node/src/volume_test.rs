use super::*;
use crate::config::Overrides;

fn stamp(cluster_id: &str, sid: i64, incarnation: i64, retired_at: Option<i64>) -> Stamp {
    let cluster_id = (!cluster_id.is_empty()).then(|| cluster_id.to_owned());
    Stamp { cluster_id, sid: (sid != 0).then_some(ServerId(sid)), incarnation, retired_at }
}

#[test]
fn a_stamp_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Stamp::read(dir.path()).unwrap(), None);
    for written in [stamp("a-1", 3, 2, Some(0x1_0000_0005)), stamp("", 0, 0, None)] {
        written.write(dir.path()).unwrap();
        assert_eq!(Stamp::read(dir.path()).unwrap(), Some(written));
    }
    for bad in ["sid=x", "incarnation=", "retiredAtVersion=0x5", &"x".repeat(5000)] {
        fs::write(dir.path().join(STAMP), bad).unwrap();
        Stamp::read(dir.path()).expect_err(bad);
    }
}

#[test]
fn a_volume_is_retired_on_disk_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let dirs = DataDirs::single(dir.path());
    let volume = Volume::new(&dirs, stamp("a", 3, 1, None), true);
    let in_the_way = dir.path().join(format!("{STAMP}.tmp"));
    fs::create_dir(&in_the_way).unwrap();
    assert!(volume.retire(7).is_err());
    assert_eq!((volume.retired_at(), Stamp::read(dir.path()).unwrap()), (None, None));
    fs::remove_dir(&in_the_way).unwrap();
    volume.retire(7).unwrap();
    assert_eq!((volume.retired_at(), Stamp::read(dir.path()).unwrap()), (Some(7), Some(stamp("a", 3, 1, Some(7)))));
}

#[test]
fn what_speaks_against_a_volume() {
    let check = |found: Stamp, wanted: Stamp, expected: Option<Objection>| {
        assert_eq!(found.objection(&wanted), expected, "{found:?} for {wanted:?}");
    };
    let foreign = |text: &str| Some(Objection::Foreign(text.to_owned()));
    check(stamp("a", 1, 1, None), stamp("a", 1, 1, None), None);
    check(Stamp::default(), stamp("a", 1, 1, None), None);
    check(stamp("a", 1, 1, None), Stamp::default(), None);
    check(stamp("a", 1, 1, None), stamp("b", 1, 1, None), foreign("it belongs to ensemble a, and this is b"));
    check(stamp("a", 1, 1, None), stamp("a", 2, 1, None), foreign("it belongs to server 1, and this is server 2"));
    check(stamp("a", 1, 1, None), stamp("a", 1, 2, None), Some(Objection::Outdated(1)));
    check(stamp("a", 1, 2, None), stamp("a", 1, 1, None), Some(Objection::Ahead(2)));
    check(stamp("a", 1, 1, Some(7)), stamp("a", 1, 1, None), Some(Objection::Retired(7)));
    // Let in again: that it was retired before is no news.
    check(stamp("a", 1, 1, Some(7)), stamp("a", 1, 2, None), Some(Objection::Outdated(1)));
}

/// A volume that a server has used, and a configuration for the next one.
fn volume(found: &Stamp, lines: &str) -> (tempfile::TempDir, Config, DataDirs) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir_all(data.join("version-2")).unwrap();
    fs::write(data.join("myid"), "1\n").unwrap();
    fs::write(data.join("zoo.cfg.dynamic.100000005"), "server.1=a:1:2:participant").unwrap();
    fs::write(data.join("version-2/snapshot.0"), "s").unwrap();
    fs::write(data.join("version-2").join(LOCK), "").unwrap();
    found.write(&data).unwrap();
    let path = dir.path().join("zoo.cfg");
    let text = format!(
        "dataDir={}\nclientPort=2181\ninitLimit=5\nsyncLimit=2\nserver.1=a:1:2\nserver.2=b:1:2\n{lines}",
        data.display()
    );
    fs::write(&path, text).unwrap();
    let config = Config::load(&path, &Overrides::default()).unwrap().0;
    (dir, config, DataDirs::single(data))
}

#[test]
fn the_own_volume_is_stamped() {
    let (_dir, config, dirs) = volume(&Stamp::default(), "volume.clusterId=a\nvolume.incarnation=3\n");
    admit(&config, &dirs).unwrap();
    assert_eq!(Stamp::read(&dirs.data_dir).unwrap(), Some(stamp("a", 1, 3, None)));
    assert!(dirs.snap_dir().join("snapshot.0").exists());
    // Who says nothing of it keeps it.
    let (_dir, config, dirs) = volume(&stamp("a", 1, 3, None), "");
    admit(&config, &dirs).unwrap();
    assert_eq!(Stamp::read(&dirs.data_dir).unwrap(), Some(stamp("a", 1, 3, None)));
}

#[test]
fn foreign_and_retired_volumes_are_refused_with_a_way_out() {
    for (found, lines, part) in [
        (stamp("a", 1, 0, None), "volume.clusterId=b\n", "it belongs to ensemble a, and this is b"),
        (stamp("a", 2, 0, None), "", "it belongs to server 2, and this is server 1"),
        (stamp("a", 1, 0, Some(0x1_0000_0007)), "", "its server was retired at configuration 100000007"),
        (stamp("a", 1, 4, None), "volume.incarnation=3\n", "later than this server's, 3"),
    ] {
        let (_dir, config, dirs) = volume(&found, lines);
        let refused = admit(&config, &dirs).unwrap_err().to_string();
        assert!(refused.contains(part) && refused.contains("hint: "), "{refused}");
        assert_eq!(Stamp::read(&dirs.data_dir).unwrap(), Some(found));
        assert!(dirs.snap_dir().join("snapshot.0").exists());
    }
}

#[test]
fn what_is_set_aside_is_kept_and_the_server_begins_anew() {
    for (found, lines) in [
        (stamp("a", 1, 0, None), "volume.clusterId=b\nvolume.foreign=setAside\n"),
        (stamp("b", 1, 0, Some(7)), "volume.clusterId=b\nvolume.retired=setAside\n"),
        (stamp("b", 1, 1, Some(7)), "volume.clusterId=b\nvolume.incarnation=2\n"),
    ] {
        let (_dir, config, dirs) = volume(&found, lines);
        admit(&config, &dirs).unwrap();
        let left: Vec<_> = fs::read_dir(dirs.snap_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
        let aside = fs::read_dir(&dirs.data_dir).unwrap().map(|entry| entry.unwrap().path());
        let aside: Vec<PathBuf> = aside.filter(|path| path.to_string_lossy().contains(ASIDE)).collect();
        assert_eq!(aside.len(), 1, "{aside:?}");
        assert!(aside[0].join("version-2/snapshot.0").exists() && aside[0].join("zoo.cfg.dynamic.100000005").exists());
        assert_eq!(Stamp::read(&aside[0]).unwrap(), Some(found));
        let now = Stamp::read(&dirs.data_dir).unwrap().unwrap();
        assert_eq!((now.cluster_id.as_deref(), now.sid, now.retired_at), (Some("b"), Some(ServerId(1)), None));
        assert!(dirs.data_dir.join("myid").exists());
    }
}
