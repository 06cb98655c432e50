//! The kubelet of the labs that this package brings up: the lab's own, under a name that is built
//! with this package.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    rauta_lab_kubelet::main()
}
