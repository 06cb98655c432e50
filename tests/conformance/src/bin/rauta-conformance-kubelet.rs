//! The kubelet of the labs that this package brings up: the lab's own, under a name that is built
//! with this package.

#![forbid(unsafe_code)]

use clap::Parser;
use rauta_lab_kubelet::{args::Args, launch, run};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = launch::run(&words) {
        return code;
    }
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
