//! Conservation: each request is told exactly once, as client and backends saw it, or its loss is
//! counted; nothing else is told. The real program, with resets, timeouts, retries, upgrades and
//! clients that leave.

mod client; // does what a request's kind says, and writes down what it saw
mod figures; // `/metrics`, and the laws that it obeys
mod judge; // compares the access log with both transcripts
mod load; // many clients at once
mod oracle; // both transcripts
mod origin; // backends that misbehave as told
mod plan; // what happens to which request
mod site; // the gateway under test
mod wire; // HTTP/1 by hand

use figures::Figures;
use judge::Verdict;
use load::Load;
use oracle::{Oracle, Seen};
use plan::Kind;
use rauta_integration::scaled;
use site::Site;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Each of these loads the machine: one at a time, or neither is what it says.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_told_exactly_once_whatever_happens_to_it() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let oracle = Arc::new(Oracle::new(scaled(1_000_000)));
    let mut site = Site::start(&oracle, &log).await.expect("starts");
    let load = Load::new(site.manifests.gateway(), &oracle, Kind::of);
    let rate = load.at_saturation(oracle.count()).await;
    let figures = Figures::settled(site.rauta.admin()).expect("it comes to rest");
    site.rauta.terminate();
    assert!(site.rauta.wait().expect("ends").success());

    figures.law().expect("requests = delivered + dropped");
    let transcript = oracle.transcript();
    let seen = |is: fn(Kind) -> bool| {
        let seen = transcript.iter().flatten();
        seen.filter(|seen| is(seen.kind)).count() as u64
    };
    let requests = seen(Kind::is_request);
    assert_eq!(figures.requests(), requests);
    assert_eq!(figures.published("connection"), seen(Kind::is_cut));

    let verdict = Verdict::new(&log, &oracle).expect("the log can be read");
    let lost = |family| figures.dropped("access_log", family);
    println!(
        "{requests} requests at {rate:.0}/s: {} lines, {} requests and {} responses dropped",
        verdict.lines,
        lost("http_request"),
        lost("http_response"),
    );
    verdict.holds().expect("what is told is what was seen");
    assert_eq!(verdict.lines + lost("http_response"), requests);
    assert!(verdict.untold <= verdict.pathless + lost("http_response"));
    assert!(verdict.pathless <= lost("http_request"));
    if verdict.untold == 0 {
        let figure = |name| figures.sum(name, &[]);
        assert_eq!(figure("rauta_proxy_retries_denied_total"), verdict.denied);
        assert_eq!(figure("rauta_proxy_retries_total"), verdict.retries);
    }
}

/// Rounds at most, should the machine have something else to do in the middle of one.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn at_seventy_percent_of_saturation_nothing_is_dropped() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let (probe, steady) = (scaled(100_000), scaled(200_000));
    let oracle = Arc::new(Oracle::new(ROUNDS * (probe + steady)));
    let site = Site::start(&oracle, &log).await.expect("starts");
    let load = Load::new(site.manifests.gateway(), &oracle, Kind::of_steady_load);
    let settled = || Figures::settled(site.rauta.admin()).expect("it comes to rest");
    let mut was_carried = false;
    for _ in 0..ROUNDS {
        let saturation = load.at_saturation(probe).await;
        let before = settled();
        let offered = 0.7 * saturation;
        let carried = load.at_pace(steady, offered).await;
        let after = settled();
        after.law().expect("requests = delivered + dropped");
        let dropped = after.dropped_anywhere() - before.dropped_anywhere();
        println!("saturation {saturation:.0}/s, carried {carried:.0}/s, {dropped} dropped");
        assert_eq!(dropped, 0);
        was_carried = carried > 0.95 * offered;
        if was_carried {
            break;
        }
    }
    assert!(
        was_carried,
        "the machine was too busy to offer 70 % steadily"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stands_still_loses_counted_events_and_no_request_waits() {
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().expect("a folder");
    // Nobody reads this pipe: once it is full, whoever writes the log stands still.
    let log = folder.path().join("access.pipe");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &log, mode).expect("a pipe");
    let oracle = Arc::new(Oracle::new(scaled(400_000)));
    let mut site = Site::start(&oracle, &log).await.expect("starts");
    let load = Load::new(site.manifests.gateway(), &oracle, |_| Kind::Get);
    let rate = load.at_saturation(oracle.count()).await;
    let requests = oracle.count() as u64;
    let is_answered = |seen: &Seen| seen.status == 200 && seen.complaint.is_none();
    let transcript = oracle.transcript();
    let answered = transcript.iter().flatten().filter(|seen| is_answered(seen));
    assert_eq!(answered.count() as u64, requests, "all are answered");

    let figures = Figures::lawful(site.rauta.admin()).expect("requests = delivered + dropped");
    assert_eq!(figures.requests(), requests);
    let dropped = ["http_request", "http_response"].map(|f| figures.dropped("access_log", f));
    println!("{requests} requests at {rate:.0}/s, dropped for the log: {dropped:?}");
    assert!(dropped.iter().all(|dropped| *dropped > 0), "{dropped:?}");
    assert_eq!(
        figures.dropped("prometheus", "http_response"),
        0,
        "nobody else's"
    );
    // Once it is read again, every line that was not dropped is there.
    site.rauta.terminate();
    let reading = std::thread::spawn(move || std::fs::read_to_string(log));
    assert!(site.rauta.wait().expect("ends").success());
    let text = reading
        .join()
        .expect("no panic")
        .expect("the pipe can be read");
    assert_eq!(text.lines().count() as u64 + dropped[1], requests);
}
