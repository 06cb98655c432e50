//! The command line: what can be asked of `rauta`, and how each answer is asked for.

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use std::path::PathBuf;

/// RAUTA carries traffic by the Gateway API and says what went wrong, with evidence.
#[derive(Debug, Parser)]
#[command(name = "rauta", disable_version_flag = true, arg_required_else_help = true, after_help = EXIT)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT: &str = "Exit codes: 0 done · 1 the answer is no (a rejected object, a missed detection, \
                    no route) · 64 the command line or configuration is wrong · 70 RAUTA failed";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Carry traffic until SIGTERM (drains) or SIGINT.
    Run(Box<RunArgs>),
    /// See it work: small origins, real traffic, four faults, and what RAUTA says of them.
    Demo(DemoArgs),
    /// Say which objects of manifests are accepted and why the others are not.
    Check(CheckArgs),
    /// Say which listener, route, rule, filters and backend answer a request, or why none does.
    Explain(ExplainArgs),
    /// Show the anomalies of a running RAUTA, or of a file of them, as they come.
    Tail(TailArgs),
    /// Print the JSON Schemas of the documents that leave RAUTA.
    Schema {
        /// Only this document's, e.g. occurrence.
        name: Option<String>,
    },
    /// Print the version.
    Version {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "Every field of the configuration can also stand in a TOML file (--config) or \
    in the environment as RAUTA_<FIELD>; see docs/configuration.md.\n\n\
    Examples:\n  \
    rauta run --manifests ./routes --port-offset 8000\n  \
    RAUTA_BACKEND_ADDR=127.0.0.1:3000 RAUTA_BIND_ADDR=127.0.0.1:8080 rauta run"
)]
pub(crate) struct RunArgs {
    /// A TOML file with the configuration.
    #[arg(long, value_name = "FILE", env = "RAUTA_CONFIG", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// What this process does: ingress.
    #[arg(long)]
    pub(crate) mode: Option<String>,
    /// A file or folder of Gateway API manifests; may be given several times.
    #[arg(long, value_name = "DIR|FILE", num_args = 1.., value_hint = ValueHint::AnyPath)]
    pub(crate) manifests: Vec<String>,
    /// The only GatewayClass that is ours.
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway_class: Option<String>,
    /// The quick way: the one backend.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) backend_addr: Option<String>,
    /// The quick way: where to listen.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) bind_addr: Option<String>,
    /// Added to each listener's port where it is bound.
    #[arg(long, value_name = "N")]
    pub(crate) port_offset: Option<u16>,
    /// Where the admin server listens.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin: Option<String>,
    /// Worker threads of the data plane.
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u16>,
    /// Append a line of JSON per exchange; - is stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) access_log: Option<String>,
    /// Append a line of JSON per anomaly; - is stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) anomaly_log: Option<String>,
    /// Send traces, metrics and anomalies to this collector: http://HOST:4317 (gRPC) or :4318 (HTTP).
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) otlp: Option<String>,
    /// Send anomalies to NATS: nats://HOST:PORT, several with commas between.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// Keep anomalies that sinks have not delivered in this folder.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) spool: Option<String>,
    /// The least severe log lines: error, warn, info, debug, trace, or a filter as RUST_LOG's.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Send anomalies to NATS as well; makes the stream for them if there is none.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// How long traffic runs.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(15..=600))]
    pub(crate) seconds: u64,
    /// Print one JSON object on stdout, progress on stderr.
    #[arg(long)]
    pub(crate) json: bool,
    /// Send traces, metrics and anomalies to this collector.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) otlp: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Files and folders of manifests.
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// The only GatewayClass that is ours.
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway_class: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rauta explain http://shop.example.com/cart --manifests ./routes\n  \
    rauta explain -X POST -H 'X-Tier: gold' https://shop.example.com/ --manifests ./routes")]
pub(crate) struct ExplainArgs {
    /// The request's URL; its host may be a hostname of a listener or route.
    pub(crate) url: String,
    /// The method.
    #[arg(long, short = 'X', default_value = "GET")]
    pub(crate) method: String,
    /// A header, `Name: value`; may be given several times.
    #[arg(long, short = 'H', value_name = "N:V")]
    pub(crate) header: Vec<String>,
    /// Only the Gateway of this name, `name` or `namespace/name`.
    #[arg(long, value_name = "NAME")]
    pub(crate) gateway: Option<String>,
    /// Files and folders of manifests.
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "admin", required_unless_present = "admin")]
    pub(crate) manifests: Vec<PathBuf>,
    /// The admin server of a running RAUTA.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin: Option<std::net::SocketAddr>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rauta tail\n  \
    rauta tail --admin 127.0.0.1:9090 --last 0\n  \
    rauta tail --nats nats://127.0.0.1:4222 --subject 'rauta.v1.prod.shop.>'\n  \
    rauta tail --file anomalies.jsonl --once --json | jq .data.observed")]
pub(crate) struct TailArgs {
    /// The admin server of a running RAUTA.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:9090")]
    pub(crate) admin: std::net::SocketAddr,
    /// A file of anomalies (`rauta run --anomaly-log`), followed over rotations.
    #[arg(long, value_name = "FILE", conflicts_with = "admin", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// A NATS server that RAUTAs publish to, as `nats://HOST:PORT` or
    /// `nats://USER:PASSWORD@HOST:PORT`; tls:// asks for TLS.
    #[arg(long, value_name = "URL", conflicts_with_all = ["admin", "file"], value_hint = ValueHint::Url)]
    pub(crate) nats: Option<String>,
    /// The credentials file for --nats.
    #[arg(long, value_name = "FILE", requires = "nats", value_hint = ValueHint::FilePath)]
    pub(crate) nats_credentials: Option<PathBuf>,
    /// The subjects that are heard.
    #[arg(
        long,
        value_name = "SUBJECT",
        requires = "nats",
        default_value = "rauta.v1.>"
    )]
    pub(crate) subject: String,
    /// How many of those that are there already are shown first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) last: usize,
    /// Show what is there and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print each document as it was received, one per line.
    #[arg(long)]
    pub(crate) json: bool,
    /// When to use colours: auto is on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    #[arg(long, env = "NO_COLOR", hide = true)]
    pub(crate) no_color: Option<String>,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
