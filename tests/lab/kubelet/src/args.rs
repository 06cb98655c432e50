//! What the lab tells a kubelet on its command line.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ipnet::IpNet;

/// Runs the pods of one Node as plain processes in namespaces.
///
/// Started as root inside the Node's network namespace.
#[derive(Debug, Clone, Parser)]
#[command(name = "rauta-lab-kubelet")]
pub struct Args {
    /// Name of the Node that it registers and serves.
    #[arg(long)]
    pub node_name: String,
    /// How it reaches the API server, as `system:node:<name>`.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: PathBuf,
    /// The Node's addresses: one, or one of each family.
    #[arg(long, value_name = "IP[,IP6]", value_delimiter = ',', required = true)]
    pub node_ip: Vec<IpAddr>,
    /// The ranges of its pods' addresses, in the families of `--node-ip`.
    #[arg(
        long,
        value_name = "CIDR[,CIDR6]",
        value_delimiter = ',',
        required = true
    )]
    pub pod_cidr: Vec<IpNet>,
    /// The table of images (TOML); without one the node has none.
    #[arg(long, value_name = "FILE")]
    pub images: Option<PathBuf>,
    /// A folder of its own for logs, volumes and notes.
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// A label of the Node; may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Where the API server asks for logs.
    #[arg(long, default_value_t = 10250)]
    pub port: u16,
    /// The server's certificate chain.
    #[arg(long, value_name = "FILE")]
    pub tls_cert: PathBuf,
    /// The server's key.
    #[arg(long, value_name = "FILE")]
    pub tls_key: PathBuf,
    /// Who may ask it: certificates of this authority.
    #[arg(long, value_name = "FILE")]
    pub client_ca: PathBuf,
    /// What pods find in `KUBERNETES_SERVICE_HOST`.
    #[arg(long, value_name = "IP")]
    pub api_server_address: IpAddr,
    /// What pods find in `KUBERNETES_SERVICE_PORT`.
    #[arg(long, value_name = "PORT")]
    pub api_server_port: u16,
    /// Name servers of pods with `dnsPolicy: ClusterFirst`; none: names do not resolve.
    #[arg(long, value_name = "IP")]
    pub cluster_dns: Vec<IpAddr>,
    /// How long the Node counts as alive after a renewal of its Lease.
    #[arg(long, value_name = "DURATION", default_value = "8s", value_parser = duration)]
    pub lease_duration: Duration,
    /// Between two reports of the Node's status that say nothing new.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub heartbeat: Duration,
    /// The first wait before a container that ended is started again; it doubles each time.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub back_off: Duration,
    /// The longest such wait.
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = duration)]
    pub back_off_max: Duration,
    /// Between two looks at the Secrets and ConfigMaps that a running pod has mounted.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub volume_refresh: Duration,
    /// What pods get to end by themselves when the kubelet is told to stop.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub shutdown_grace: Duration,
}

impl Args {
    /// The address that pods with the Node's network have, and that is listed first.
    pub fn first_ip(&self) -> IpAddr {
        // clap demands at least one value.
        self.node_ip
            .first()
            .copied()
            .unwrap_or(IpAddr::from([127, 0, 0, 1]))
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("{text:?} is no KEY=VALUE"))
}

/// A duration as Kubernetes' flags write it, in one unit: `250ms`, `10s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text:?} is no duration"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(60 * number)),
        _ => Err(format!("{text:?} is no duration: write 250ms, 10s or 5m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["", "5", "s", "1h", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn labels_have_a_value() {
        assert_eq!(label("zone=a=b"), Ok(("zone".to_owned(), "a=b".to_owned())));
        assert!(label("zone").is_err());
    }
}
