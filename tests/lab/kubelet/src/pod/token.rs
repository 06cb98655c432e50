//! Service-account tokens, bound to the pod that shows them.

use anyhow::Context;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

/// Which token.
pub(super) struct Wanted<'a> {
    pub(super) account: &'a str,
    /// Whom it is for; empty: the API server.
    pub(super) audience: &'a str,
    pub(super) seconds: i64,
}

/// A token and its end.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) expires_at: Timestamp,
}

impl Token {
    /// When it is replaced: after four fifths of its life, and after a day at most.
    pub(super) fn renewal(&self, now: Timestamp) -> Timestamp {
        let life = self.expires_at.duration_since(now);
        let wait = (life * 4 / 5).min(SignedDuration::from_hours(24));
        now.checked_add(wait).unwrap_or(now)
    }
}

/// Asks the API server for one.
pub(super) async fn request(
    client: &Client,
    pod: &Pod,
    wanted: Wanted<'_>,
) -> anyhow::Result<Token> {
    let namespace = pod.namespace().unwrap_or_default();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
    let audience = Some(wanted.audience).filter(|audience| !audience.is_empty());
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audience.into_iter().map(str::to_owned).collect(),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(pod.name_any()),
                uid: pod.uid(),
            }),
            expiration_seconds: Some(wanted.seconds),
        },
        ..TokenRequest::default()
    };
    let params = PostParams::default();
    let answer = accounts
        .create_token_request(wanted.account, &params, &request)
        .await?;
    let status = answer.status.context("the answer holds no token")?;
    Ok(Token {
        text: status.token,
        expires_at: status.expiration_timestamp.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_well_before_its_end() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let renewal = |seconds: i64| {
            let token = Token {
                text: String::new(),
                expires_at: at(1000 + seconds),
            };
            token.renewal(at(1000)).as_second() - 1000
        };
        assert_eq!(renewal(3600), 2880);
        assert_eq!(renewal(365 * 86400), 86400);
    }
}
