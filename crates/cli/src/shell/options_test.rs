use super::*;

const SET: &[Spec] = &[
    flag("s", "Print znode stats additionally"),
    value("v", "Set with an expected version"),
    flag("b", "Supply data in base64 format"),
    own("data-file", "a file with the data"),
];
const QUOTA: &[Spec] = &[value("n", "num soft quota"), value("b", "bytes soft quota")];
const RECONFIG: &[Spec] = &[flag("s", "stats"), value("v", "version"), value("file", "path"), value("members", "list")];

fn read(line: &str, specs: &'static [Spec], group: Group) -> Result<Parsed, String> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    parse(&words, specs, group).map_err(|problem| problem.to_string())
}

fn words(line: &str) -> Vec<String> {
    read(line, SET, Group::Free).unwrap().words
}

#[test]
fn options_stand_anywhere() {
    for line in ["set -s -v 3 /a x", "set /a -v 3 x -s", "set /a x -v3 -s", "set /a x -v=3 -s", "set /a x -sv3"] {
        let parsed = read(line, SET, Group::Free).unwrap();
        assert_eq!(parsed.words, ["set", "/a", "x"], "{line}");
        assert_eq!((parsed.has("s"), parsed.value("v"), parsed.has("b")), (true, Some("3"), false), "{line}");
    }
    assert_eq!(words("set -- -s -v"), ["set", "-s", "-v"]);
    assert_eq!(words("set - x"), ["set", "-", "x"]);
    let negative = read("set /a x -v -1", SET, Group::Free).unwrap();
    assert_eq!(negative.value("v"), Some("-1"), "a negative number is a value");
}

#[test]
fn names_of_several_letters() {
    let parsed = read("reconfig -s -file /x -v a0", RECONFIG, Group::Free).unwrap();
    assert_eq!((parsed.value("file"), parsed.value("v"), parsed.has("s")), (Some("/x"), Some("a0"), true));
    assert!(read("reconfig -fil /x", RECONFIG, Group::Free).is_err());
}

#[test]
fn ours_have_two_hyphens() {
    for line in ["set /a --data-file f", "set /a --data-file=f"] {
        assert_eq!(read(line, SET, Group::Free).unwrap().value("data-file"), Some("f"));
    }
    assert!(read("set /a -data-file f", SET, Group::Free).is_err(), "no name of Apache's");
}

#[test]
fn what_makes_no_sense() {
    let package = "org.apache.commons.cli.";
    for (line, specs, group, text) in [
        ("set -z", SET, Group::Free, "UnrecognizedOptionException: Unrecognized option: -z"),
        ("set -sz", SET, Group::Free, "UnrecognizedOptionException: Unrecognized option: -sz"),
        ("set /a -1", SET, Group::Free, "UnrecognizedOptionException: Unrecognized option: -1"),
        ("set --s", SET, Group::Free, "UnrecognizedOptionException: Unrecognized option: --s"),
        ("set --zed", SET, Group::Free, "UnrecognizedOptionException: Unrecognized option: --zed"),
        ("set /a -v", SET, Group::Free, "MissingArgumentException: Missing argument for option: v"),
        ("set /a -v -s", SET, Group::Free, "MissingArgumentException: Missing argument for option: v"),
        (
            "quota -n 1 -b 2 /a",
            QUOTA,
            Group::One,
            "AlreadySelectedException: The option 'b' was specified but an option from this group has already been selected: 'n'",
        ),
        (
            "quota /a",
            QUOTA,
            Group::One,
            "MissingOptionException: Missing required option: [-n num soft quota, -b bytes soft quota]",
        ),
    ] {
        assert_eq!(read(line, specs, group).unwrap_err(), format!("{package}{text}"), "{line}");
    }
}

#[test]
fn the_list_of_options() {
    let expected = " -b         Supply data in base64 format\n -s         Print znode stats additionally\n \
                    -v <arg>   Set with an expected version\n";
    assert_eq!(list(SET), expected);
}
