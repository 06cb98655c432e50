//! What the program says of itself on `/metrics`, and the laws that its figures obey.

use anyhow::{bail, ensure};
use rauta_integration::get;
use std::net::SocketAddr;

/// One reading of `/metrics`.
#[derive(Clone, Debug)]
pub(crate) struct Figures(String);

/// Readings of `/metrics` until something is so; they take some milliseconds each.
const READINGS_MAX: usize = 5_000;

impl Figures {
    pub(crate) fn read(admin: SocketAddr) -> anyhow::Result<Self> {
        let page = get(admin, "localhost", "/metrics")?.body;
        Ok(Self(page))
    }

    /// Waits until no request is open and no event is on its way to a subscriber.
    pub(crate) fn lawful(admin: SocketAddr) -> anyhow::Result<Self> {
        Self::once(admin, Self::is_at_rest)
    }

    /// Waits until, in addition, every line of the access log is written.
    pub(crate) fn settled(admin: SocketAddr) -> anyhow::Result<Self> {
        Self::once(admin, |figures| {
            let lines = figures.sum("rauta_lines_total", &["file=\"access_log\""]);
            figures.is_at_rest() && lines == figures.delivered("access_log", "http_response")
        })
    }

    fn is_at_rest(&self) -> bool {
        self.sum("rauta_proxy_requests_in_flight", &[]) == 0 && self.law().is_ok()
    }

    fn once(admin: SocketAddr, is_so: impl Fn(&Self) -> bool) -> anyhow::Result<Self> {
        // Each reading takes a round trip, so this is bounded in time too.
        let mut last = Self::read(admin)?;
        for _ in 0..READINGS_MAX {
            if is_so(&last) {
                return Ok(last);
            }
            last = Self::read(admin)?;
        }
        let own = last.0.lines().filter(|line| line.starts_with("rauta_"));
        let own: Vec<_> = own.filter(|line| !line.contains("_bucket{")).collect();
        bail!(
            "it never came to rest ({:?}):\n{}",
            last.law(),
            own.join("\n")
        )
    }

    /// The sum of the samples of this name that carry all of these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let samples = self.0.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        samples
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .map(|value| value as u64)
            .sum()
    }

    /// Requests, as the workers count them.
    pub(crate) fn requests(&self) -> u64 {
        self.sum("rauta_proxy_requests_total", &[])
    }

    /// Events of a family, as the lanes count them.
    pub(crate) fn published(&self, family: &str) -> u64 {
        self.sum("rauta_bus_published_total", &[&label("family", family)])
    }

    fn lane_dropped(&self, family: &str) -> u64 {
        self.sum("rauta_bus_lane_dropped_total", &[&label("family", family)])
    }

    pub(crate) fn delivered(&self, subscriber: &str, family: &str) -> u64 {
        let labels = [label("subscriber", subscriber), label("family", family)];
        self.sum(
            "rauta_bus_delivered_total",
            &labels.each_ref().map(String::as_str),
        )
    }

    /// Events of a family that a subscriber did not get, wherever they were dropped.
    pub(crate) fn dropped(&self, subscriber: &str, family: &str) -> u64 {
        let labels = [label("subscriber", subscriber), label("family", family)];
        let own = self.sum(
            "rauta_bus_dropped_total",
            &labels.each_ref().map(String::as_str),
        );
        own + self.lane_dropped(family)
    }

    /// Everything that was dropped anywhere: at lanes, at subscribers, at sinks, at files.
    pub(crate) fn dropped_anywhere(&self) -> u64 {
        [
            ("rauta_bus_lane_dropped_total", ""),
            ("rauta_bus_dropped_total", ""),
            ("rauta_bus_anomalies_dropped_total", ""),
            ("rauta_sink_dropped_total", ""),
            ("rauta_lines_total", "result=\"failed\""),
            ("rauta_http_requests_total", "http_route=\"_dropped\""),
        ]
        .iter()
        .map(|(name, label)| self.sum(name, &[label]))
        .sum()
    }

    /// Conservation: for each kind of event, requests = delivered + dropped, for each subscriber.
    pub(crate) fn law(&self) -> anyhow::Result<()> {
        let requests = self.requests();
        for family in ["http_request", "http_response"] {
            let published = self.published(family);
            ensure!(
                published == requests,
                "{requests} requests, {published} {family} events"
            );
        }
        let subscriptions = self.subscriptions();
        ensure!(
            subscriptions.len() >= 5,
            "too few subscribers: {subscriptions:?}"
        );
        for (subscriber, family) in subscriptions {
            let published = self.published(family);
            let delivered = self.delivered(subscriber, family);
            let dropped = self.dropped(subscriber, family);
            ensure!(
                published == delivered + dropped,
                "{subscriber}: {published} {family} events, {delivered} delivered, {dropped} dropped"
            );
        }
        let by_route = self.sum("rauta_http_requests_total", &[]);
        ensure!(
            by_route == requests,
            "{requests} requests, {by_route} by route"
        );
        let by_class = self.sum("rauta_proxy_responses_total", &[]);
        ensure!(
            by_class == requests,
            "{requests} requests, {by_class} by class"
        );
        let cut = self.sum("rauta_proxy_heads_cut_total", &[]);
        let told = self.published("connection");
        ensure!(cut == told, "{cut} heads cut, {told} connection events");
        Ok(())
    }

    /// Each subscriber of the bus with each family that it reads.
    fn subscriptions(&self) -> Vec<(&str, &str)> {
        let lines = self.0.lines();
        let delivered = lines.filter(|line| line.starts_with("rauta_bus_delivered_total{"));
        let value = |line, name| {
            let (_, rest) = str::split_once(line, name)?;
            Some(rest.split_once('"')?.0)
        };
        delivered
            .filter_map(|line| Some((value(line, "subscriber=\"")?, value(line, "family=\"")?)))
            .collect()
    }
}

fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{value}\"")
}
