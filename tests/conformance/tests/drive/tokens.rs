//! Who a pod is to the API server: the token in its volume.

use crate::stage::{Stage, pod};
use anyhow::{Context, ensure};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;

const NS: &str = "tokens";

pub(crate) async fn a_pod_is_known_to_the_api_server_by_its_token(
    stage: &Stage,
) -> anyhow::Result<()> {
    stage.namespace(NS).await?;
    let container = json!({
        "name": "tell",
        "image": stage.image,
        "command": ["sh", "-c", "for f in /tokens/*; do cat $f; echo; done"],
        "volumeMounts": [{"name": "tokens", "mountPath": "/tokens"}],
    });
    let token = |path: &str, audience: Option<&str>| {
        json!({"serviceAccountToken": {
            "path": path, "audience": audience, "expirationSeconds": 600,
        }})
    };
    let mut tells = pod(NS, "tells", &[container]);
    tells["spec"]["restartPolicy"] = "Never".into();
    tells["spec"]["volumes"] = json!([{
        "name": "tokens",
        "projected": {"sources": [token("a", None), token("b", Some("elsewhere"))]},
    }]);
    stage.apply(&tells).await?;
    let over = |pods: &[&Pod]| {
        let status = pods.first().and_then(|pod| pod.status.as_ref());
        status.is_some_and(|status| status.phase.as_deref() == Some("Succeeded"))
    };
    let pods = stage
        .until(stage.all(NS), 20, "it has told its tokens", over)
        .await?;
    let said = stage.kubectl(&format!("-n {NS} logs tells")).await?;
    let [own, other] = said.lines().collect::<Vec<_>>()[..] else {
        anyhow::bail!("it told {} lines", said.lines().count());
    };

    let known = review(stage, own, None).await?;
    ensure!(known.authenticated == Some(true), "refused: {known:?}");
    let user = known.user.context("nobody")?;
    ensure!(
        user.username.as_deref() == Some("system:serviceaccount:tokens:default"),
        "it is {:?}",
        user.username
    );
    let extra = user.extra.unwrap_or_default();
    let uid = pods[0].uid().unwrap_or_default();
    for (name, value) in [("pod-name", "tells"), ("pod-uid", &uid)] {
        let found = extra.get(&format!("authentication.kubernetes.io/{name}"));
        ensure!(
            found.is_some_and(|found| found == &[value]),
            "{name} is {found:?}"
        );
    }
    // What is for somebody else is no key to the API server.
    let refused = review(stage, other, None).await?;
    ensure!(refused.authenticated != Some(true), "taken: {refused:?}");
    let taken = review(stage, other, Some("elsewhere")).await?;
    ensure!(taken.authenticated == Some(true), "refused: {taken:?}");
    Ok(())
}

async fn review(
    stage: &Stage,
    token: &str,
    audience: Option<&str>,
) -> anyhow::Result<TokenReviewStatus> {
    let reviews: Api<TokenReview> = Api::all(stage.client.clone());
    let review = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token.to_owned()),
            audiences: audience.map(|audience| vec![audience.to_owned()]),
        },
        ..TokenReview::default()
    };
    let answer = reviews.create(&PostParams::default(), &review).await?;
    answer.status.context("the review says nothing")
}
