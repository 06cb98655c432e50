//! What the node is made of, read once from the kernel.

use std::fs;

/// The machine under a node. All nodes of a lab share it and each claims all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Processors that may be used.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The operating system's name for people.
    pub os_image: String,
    /// Changes with each boot.
    pub boot_id: String,
}

impl Machine {
    /// Reads it.
    pub fn read() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Machine {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            os_image: os_image(&read("/etc/os-release")),
            boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
        }
    }

    /// The architecture as Kubernetes names it.
    pub fn architecture() -> &'static str {
        match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
    }
}

fn memory_bytes(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kibibytes| kibibytes.trim().parse::<u64>().ok())
        .map_or(0, |kibibytes| kibibytes * 1024)
}

fn os_image(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("Linux", |name| name.trim_matches('"'))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_name_are_found_in_the_kernels_words() {
        let meminfo = "MemTotal:        2048 kB\nMemFree:  10 kB\n";
        assert_eq!(memory_bytes(meminfo), 2 * 1024 * 1024);
        assert_eq!(memory_bytes(""), 0);
        assert_eq!(
            os_image("ID=x\nPRETTY_NAME=\"Some Linux 1\"\n"),
            "Some Linux 1"
        );
        assert_eq!(os_image(""), "Linux");
    }
}
