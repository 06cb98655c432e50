//! The resource: who speaks.

use super::attributes::Attributes;
use super::batch::Speaker;
use super::config::Config;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use rauta_schemas::Producer;

impl Speaker {
    /// RAUTA of this node; what the configuration says wins.
    pub(super) fn new(config: &Config, producer: &Producer) -> Self {
        let own = [
            ("service.name", config.service_name.clone()),
            ("service.version", producer.version.clone()),
            (
                "service.instance.id",
                format!("{}/{}", producer.node, std::process::id()),
            ),
            ("k8s.cluster.name", producer.cluster.clone()),
            ("k8s.node.name", producer.node.clone()),
            ("host.name", producer.node.clone()),
            ("telemetry.sdk.name", "rauta".to_owned()),
            ("telemetry.sdk.language", "rust".to_owned()),
            ("telemetry.sdk.version", producer.version.clone()),
        ];
        let mut attributes = Attributes::new();
        for (key, value) in own {
            if config.resource.iter().all(|(given, _)| given != key) {
                attributes.text(key, value);
            }
        }
        for (key, value) in &config.resource {
            attributes.text(key, value.clone());
        }
        Self {
            resource: Resource {
                attributes: attributes.into_list(),
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "rauta".to_owned(),
                version: producer.version.clone(),
                ..InstrumentationScope::default()
            },
        }
    }
}
