//! Prints what a change of manifests costs, stage by stage, for few and for many routes: the least
//! of some rounds.
//!
//! `cargo bench -p rauta-gateway-api`. Each route has one path prefix and one backend, and all are
//! on one listener, so that each change makes its whole table anew. What the workers then do is not
//! part of it.

#![allow(clippy::print_stdout, reason = "a bench prints its result")]
#![allow(clippy::disallowed_methods, reason = "a bench measures real time")]

use rauta_gateway_api::source::FileSource;
use rauta_gateway_api::{Config, Controller};
use rauta_schemas::Names;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

/// What the program allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: \
                       edge}\nspec:\n  gatewayClassName: rauta\n  listeners: [{name: http, port: \
                       80, protocol: HTTP}]\n---\napiVersion: v1\nkind: Service\nmetadata: {name: \
                       even}\nspec: {ports: [{port: 80}]}\n---\napiVersion: v1\nkind: \
                       Service\nmetadata: {name: odd}\nspec: {ports: [{port: 80}]}\n";

/// What each of some changes took.
#[derive(Default)]
struct Times {
    read: Vec<Duration>,
    apply: Vec<Duration>,
    compile: Vec<Duration>,
    status: Vec<Duration>,
}

impl Times {
    fn print(&self, name: &str) {
        let [read, apply, compile, status] =
            [&self.read, &self.apply, &self.compile, &self.status].map(|times| least(times));
        println!(
            "{name:<34} read {read:>10.1?}  apply {apply:>10.1?}  compile {compile:>10.1?}  then \
             status {status:>10.1?}"
        );
    }
}

/// A folder of manifests and the controller that follows it.
struct Followed {
    folder: tempfile::TempDir,
    source: FileSource,
    controller: Controller,
}

impl Followed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("gateway.yaml"), GATEWAY).expect("written");
        let source = FileSource::open(vec![folder.path().to_owned()]);
        let controller = Controller::new(Config::files(), Names::default());
        Self {
            folder,
            source,
            controller,
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file under its name as a whole, as deployments do.
    fn replace(&self, name: &str, text: &str) {
        let aside = self.path().join("aside");
        fs::write(&aside, text).expect("written");
        fs::rename(aside, self.path().join(name)).expect("renamed");
    }

    /// Takes in what has changed.
    fn follow(&mut self, changes: usize, times: &mut Times) {
        let start = Instant::now();
        let reading = self.source.read_all();
        times.read.push(start.elapsed());
        assert_eq!(reading.mistakes, []);
        assert!(reading.changes.len() >= changes);
        let start = Instant::now();
        self.controller.apply(reading.changes);
        times.apply.push(start.elapsed());
        let start = Instant::now();
        let snapshot = black_box(self.controller.compile());
        times.compile.push(start.elapsed());
        assert!(snapshot.is_some());
        let start = Instant::now();
        drop(black_box(self.controller.status().collect::<Vec<_>>()));
        times.status.push(start.elapsed());
    }
}

fn route(number: usize, round: usize) -> String {
    let backend = ["even", "odd"][round % 2];
    format!(
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: \
         r{number}}}\nspec:\n  parentRefs: [{{name: edge}}]\n  rules:\n  - matches: [{{path: \
         {{type: PathPrefix, value: /r{number}}}}}]\n    backendRefs: [{{name: {backend}, port: \
         80}}]\n---\n"
    )
}

fn routes(count: usize, round: impl Fn(usize) -> usize) -> String {
    (0..count)
        .map(|number| route(number, round(number)))
        .collect()
}

fn main() {
    for count in [10, 100, 1_000, 10_000] {
        let mut followed = Followed::new();
        let mut times = Times::default();
        followed.replace("routes.yaml", &routes(count, |_| 0));
        followed.follow(count, &mut times);
        times.print(&format!("{count} routes at the start"));

        let mut times = Times::default();
        for round in 1..=ROUNDS {
            followed.replace("routes.yaml", &routes(count, |_| round));
            followed.follow(count, &mut times);
        }
        times.print(&format!("all of {count} rewritten"));

        let mut times = Times::default();
        for round in 1..=ROUNDS {
            let changed = |number| {
                if number == count / 2 {
                    ROUNDS + round
                } else {
                    ROUNDS
                }
            };
            followed.replace("routes.yaml", &routes(count, changed));
            followed.follow(1, &mut times);
        }
        times.print(&format!("one of {count} in one file"));
    }
    for count in [100, 1_000] {
        let mut followed = Followed::new();
        let mut times = Times::default();
        for number in 0..count {
            followed.replace(&format!("r{number}.yaml"), &route(number, 0));
        }
        followed.follow(count, &mut times);
        times.print(&format!("{count} files at the start"));
        let mut times = Times::default();
        for round in 1..=ROUNDS {
            let number = count / 2;
            followed.replace(&format!("r{number}.yaml"), &route(number, round));
            followed.follow(1, &mut times);
        }
        times.print(&format!("one of {count} files"));
    }
}

/// Other work on the machine only adds.
fn least(times: &[Duration]) -> Duration {
    times.iter().copied().min().unwrap_or_default()
}
