//! What balancing keeps per worker: the positions of weighted choices and open requests.

use rauta_schemas::{EndpointId, RuleId};
use std::collections::HashMap;

/// One worker's balancing state. Lives as long as the worker: swaps do not reset it.
#[derive(Debug, Default)]
pub struct Balancer {
    /// Open requests per endpoint, this worker's own.
    pub(crate) open: HashMap<EndpointId, u32>,
    /// Current weights of each rule's smooth round robin.
    pub(crate) positions: HashMap<RuleId, Vec<i64>>,
}
