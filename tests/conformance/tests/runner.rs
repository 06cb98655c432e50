//! The runner as a person starts it.

use rauta_conformance::programs::Programs;
use std::process::Command;
use std::time::Duration;
use tokio::time::Instant;

/// How long it may take to say that nothing implements the class; what is built once is built.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn without_an_implementation_the_runner_says_so_in_one_line_within_30_s() {
    Programs::get().expect("the suite's programs");
    rauta_lab::build(&mut |what| println!("{what}")).expect("the lab's programs");
    let folder = tempfile::tempdir().expect("a folder");
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_rauta-conformance"))
        .arg("--out")
        .arg(folder.path())
        .output()
        .expect("the runner starts");
    let took = begun.elapsed();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    println!(
        "after {:.1} s it said {said}and told {told}",
        took.as_secs_f64()
    );
    assert!(!output.status.success(), "it counts as passed");
    let lines: Vec<&str> = said.lines().collect();
    let [line] = lines[..] else {
        panic!("it says {} lines", lines.len())
    };
    let expected = "setup failed: GatewayClass gateway-conformance was not accepted: ";
    assert!(line.starts_with(expected), "{line}");
    assert!(told.contains("is gone"), "the lab is there still: {told}");
    assert!(
        folder.path().join("suite.log").is_file(),
        "the suite's log is not kept"
    );
    assert!(took <= LIMIT, "it took {took:?}");
}

#[test]
fn what_cannot_be_run_is_told_in_one_line_before_a_lab_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir_all(path("empty/deeper")).expect("a folder");
    std::fs::write(path("empty/deeper/notes.txt"), "none").expect("written");
    let check = |words: [&str; 2], expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_rauta-conformance"))
            .args(words)
            .args(["--out", &path("out")])
            .env("RUST_BACKTRACE", "1")
            .output()
            .expect("the runner starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(told, format!("error: {expected}\n"));
        assert_eq!(output.status.code(), Some(1));
    };
    let (none, file, empty) = (path("none"), path("empty/deeper/notes.txt"), path("empty"));
    check(
        ["--manifests", &none],
        &format!("manifests: {none} is no folder"),
    );
    check(
        ["--manifests", &file],
        &format!("manifests: {file} is no folder"),
    );
    check(
        ["--manifests", &empty],
        &format!("manifests: {empty} has no .yaml, .yml or .json file"),
    );
    check(
        ["--profiles", "GATEWAY-FTP"],
        "GATEWAY-FTP is no profile of the suite: say GATEWAY-HTTP, GATEWAY-GRPC, GATEWAY-TLS, \
         GATEWAY-TCP, GATEWAY-UDP",
    );
    assert!(!folder.path().join("out").exists(), "a run was begun");
}
