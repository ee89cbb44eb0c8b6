//! What a node (an edge, a gateway node, a provider's cross-connect) says to control.

use std::time::Duration;

use causeway_edge_types::{EdgeConfig, EdgeStatus};

use crate::{ApiError, Client, Error};

impl Client {
    /// Waits up to `wait` for a configuration of `name` that is newer than `after`; none when there was none.
    pub fn next_config(&self, name: &str, after: u64, wait: Duration) -> Result<Option<EdgeConfig>, Error> {
        let path = format!("/edge/v1/{name}/config?after={after}&wait_s={}", wait.as_secs());
        let answer = self.call_raw("GET", &path, &[], None, wait)?;
        match answer.status {
            204 => Ok(None),
            200 => serde_json::from_value(answer.body)
                .map(Some)
                .map_err(|error| Error::BadAnswer { url: path, reason: error.to_string() }),
            status => Err(Error::Api(Box::new(ApiError::from_body(status, &answer.body)))),
        }
    }

    /// Tells control what this node sees.
    pub fn report(&self, status: &EdgeStatus) -> Result<(), Error> {
        let path = format!("/edge/v1/{}/status", status.edge);
        let body = serde_json::to_value(status)
            .map_err(|error| Error::BadAnswer { url: path.clone(), reason: error.to_string() })?;
        self.call("POST", &path, Some(&body)).map(|_| ())
    }
}
