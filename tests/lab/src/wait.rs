//! The one way to wait: look again until it is so, or until there is no more time.

use anyhow::bail;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` has found what it looks for.
///
/// # Errors
/// After `limit`, with what was waited for and what the last look said.
pub(crate) async fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(last) if Instant::now() >= end => {
                bail!("{what} took more than {} s: {last:#}", limit.as_secs());
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}
