//! The lab's kubelet, and the launchers that it starts: `rauta-lab-kubelet --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    rauta_lab_kubelet::main()
}
