//! One question to a program: HTTP, TCP, gRPC, or a command beside it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use k8s_openapi::api::core::v1::{
    ContainerPort, ExecAction, HTTPGetAction, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use super::{grpc, web};
use crate::launch::spec::ProcessSpec;
use crate::pod::process::Process;

/// A container that runs, as a probe sees it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) ip: IpAddr,
    pub(crate) ports: Vec<ContainerPort>,
    /// Its program's process id.
    pub(crate) pid: u32,
    /// How commands beside the program run; their `command` is the probe's.
    pub(crate) process: ProcessSpec,
    /// Where running processes are noted.
    pub(crate) notes: PathBuf,
}

/// Why a question has no good answer, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The program answered badly, or not at all.
    Bad(String),
    /// It could not be asked: this says nothing about the program.
    Unasked(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Bad(reason) => write!(f, "failed: {reason}"),
            Failure::Unasked(reason) => {
                write!(f, "errored and resulted in unknown state: {reason}")
            }
        }
    }
}

/// What is kept of a command's output for an event.
const OUTPUT_BYTES_MAX: u64 = 10 * 1024;

impl Target {
    /// The number of a port that is given by number or by name.
    pub(crate) fn port(&self, port: &IntOrString) -> Result<u16, Failure> {
        let number = match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => {
                let named = self.ports.iter().find(|p| p.name.as_deref() == Some(name));
                named
                    .map(|p| p.container_port)
                    .or_else(|| name.parse().ok())
            }
        };
        let shown = || match port {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(name) => name.clone(),
        };
        number
            .and_then(|number| u16::try_from(number).ok())
            .ok_or_else(|| Failure::Unasked(format!("the container has no port {}", shown())))
    }

    fn host(&self, written: Option<&String>) -> String {
        match written.filter(|host| !host.is_empty()) {
            Some(host) => host.clone(),
            None => self.ip.to_string(),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(ip: IpAddr) -> Self {
        use crate::launch::spec::Identity;
        let identity = Identity {
            user: 0,
            group: 0,
            groups: Vec::new(),
            capabilities: Vec::new(),
            no_new_privileges: false,
        };
        Target {
            ip,
            ports: Vec::new(),
            pid: 0,
            process: ProcessSpec {
                command: Vec::new(),
                env: Vec::new(),
                work_dir: "/".to_owned(),
                identity,
            },
            notes: PathBuf::new(),
        }
    }
}

/// Asks what `probe` says.
pub(super) async fn ask(probe: &Probe, target: &Target) -> Result<(), Failure> {
    if let Some(get) = &probe.http_get {
        return match page(get, target).await? {
            200..=399 => Ok(()),
            code => Err(Failure::Bad(format!(
                "HTTP probe failed with statuscode: {code}"
            ))),
        };
    }
    if let Some(socket) = &probe.tcp_socket {
        return tcp(socket, target).await;
    }
    if let Some(action) = &probe.grpc {
        let port = target.port(&IntOrString::Int(action.port))?;
        let service = action.service.as_deref().unwrap_or_default();
        let checked = grpc::check(target.ip, port, service).await;
        return checked.map_err(Failure::Bad);
    }
    match &probe.exec {
        Some(exec) => command(exec, target).await,
        None => Ok(()),
    }
}

/// Asks for a page; answers its status.
pub(crate) async fn page(get: &HTTPGetAction, target: &Target) -> Result<u16, Failure> {
    let headers = get.http_headers.iter().flatten();
    let page = web::Page {
        host: target.host(get.host.as_ref()),
        port: target.port(&get.port)?,
        is_https: get.scheme.as_deref() == Some("HTTPS"),
        path: get.path.clone().unwrap_or_else(|| "/".to_owned()),
        headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
    };
    let asked = web::get(&page).await;
    asked.map_err(|error| Failure::Bad(format!("Get \"{page}\": {error:#}")))
}

async fn tcp(socket: &TCPSocketAction, target: &Target) -> Result<(), Failure> {
    let host = target.host(socket.host.as_ref());
    let port = target.port(&socket.port)?;
    match TcpStream::connect((host.as_str(), port)).await {
        Ok(_connection) => Ok(()),
        Err(error) => Err(Failure::Bad(format!("dial tcp {host}:{port}: {error}"))),
    }
}

/// Runs a command in the container; its exit code 0 is good.
pub(crate) async fn command(exec: &ExecAction, target: &Target) -> Result<(), Failure> {
    let spec = ProcessSpec {
        command: exec.command.clone().unwrap_or_default(),
        ..target.process.clone()
    };
    let pid = target.pid.to_string();
    let started = Process::start(&["exec", &pid], &spec, &target.notes).await;
    let mut process = started.map_err(|error| Failure::Unasked(format!("{error:#}")))?;
    let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
    let (out, err) = tokio::join!(read_some(stdout), read_some(stderr));
    match process.wait().await {
        0 => Ok(()),
        _ => Err(Failure::Bad([out, err].concat().trim().to_owned())),
    }
}

/// Reads all that a program writes and keeps the beginning.
async fn read_some(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else {
        return String::new();
    };
    let mut kept = Vec::new();
    let read = (&mut stream)
        .take(OUTPUT_BYTES_MAX)
        .read_to_end(&mut kept)
        .await;
    let rest = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    if let Err(error) = read.and(Ok(0)).and(rest) {
        tracing::debug!(error = %error, "a command's output was cut");
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_by_number_and_by_name() {
        let mut target = Target::for_tests(IpAddr::from([127, 0, 0, 1]));
        target.ports = vec![ContainerPort {
            name: Some("web".to_owned()),
            container_port: 8080,
            ..ContainerPort::default()
        }];
        assert_eq!(target.port(&IntOrString::Int(80)), Ok(80));
        assert_eq!(
            target.port(&IntOrString::String("web".to_owned())),
            Ok(8080)
        );
        assert_eq!(
            target.port(&IntOrString::String("none".to_owned())),
            Err(Failure::Unasked(
                "the container has no port none".to_owned()
            ))
        );
        assert!(target.port(&IntOrString::Int(70000)).is_err());
    }
}
