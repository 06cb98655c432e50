//! The tokens that a pod's volumes show: asked for once, and again before they end.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;

use super::payload::TokenKey;
use crate::pod::token::Token;

/// Tokens in use.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<TokenKey, Held>);

#[derive(Debug)]
struct Held {
    token: Token,
    renewal: Timestamp,
}

impl Tokens {
    /// Asks for those that are missing or due. One that cannot be renewed stays while it is good.
    pub(super) async fn renew<A>(
        &mut self,
        wanted: BTreeSet<TokenKey>,
        now: Timestamp,
        mut ask: impl FnMut(TokenKey) -> A,
    ) -> Result<(), String>
    where
        A: Future<Output = anyhow::Result<Token>>,
    {
        for key in wanted {
            let held = self.0.get(&key);
            if held.is_some_and(|held| now < held.renewal) {
                continue;
            }
            let is_good = held.is_some_and(|held| now < held.token.expires_at);
            match ask(key.clone()).await {
                Ok(token) => {
                    let renewal = token.renewal(now);
                    self.0.insert(key, Held { token, renewal });
                }
                Err(error) if is_good => {
                    tracing::warn!(error = %error, "a token was not renewed");
                }
                Err(error) => return Err(format!("failed to fetch token: {error}")),
            }
        }
        Ok(())
    }

    /// What each says.
    pub(super) fn texts(&self) -> BTreeMap<TokenKey, String> {
        let texts = self.0.iter();
        texts
            .map(|(key, held)| (key.clone(), held.token.text.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: i64 = 600;

    /// Looks at these seconds, some of them while nobody answers; the text that is shown after
    /// each, which is the second at which it was asked for, or the error.
    async fn shown(looks: &[(i64, bool)]) -> Vec<String> {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let key = TokenKey {
            audience: String::new(),
            seconds: SECONDS,
        };
        let mut tokens = Tokens::default();
        let mut shown = Vec::new();
        for (second, answers) in looks.iter().copied() {
            let ask = |key: TokenKey| async move {
                anyhow::ensure!(answers, "nobody there");
                Ok(Token {
                    text: second.to_string(),
                    expires_at: at(second + key.seconds),
                })
            };
            let wanted = BTreeSet::from([key.clone()]);
            shown.push(match tokens.renew(wanted, at(second), ask).await {
                Ok(()) => tokens.texts()[&key].clone(),
                Err(error) => error,
            });
        }
        shown
    }

    #[tokio::test]
    async fn a_token_of_ten_minutes_is_renewed_after_eight() {
        let looks = [0, 2, 479, 480, 481, 959, 960].map(|second| (second, true));
        let expected = ["0", "0", "0", "480", "480", "480", "960"];
        assert_eq!(shown(&looks).await, expected);
    }

    #[tokio::test]
    async fn one_that_cannot_be_renewed_stays_until_its_end() {
        let looks = [
            (0, true),
            (480, false),
            (599, false),
            (600, false),
            (602, true),
        ];
        let error = "failed to fetch token: nobody there";
        assert_eq!(shown(&looks).await, ["0", "0", "0", error, "602"]);
    }
}
