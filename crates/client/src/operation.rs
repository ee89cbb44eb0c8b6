//! Operations: what an accepted change says about itself until it is done.
//!
//! `Azure-AsyncOperation` is asked where there is one, until its status is terminal; then, after a DELETE or a POST,
//! `Location`, whose last answer is the result.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{ApiError, Client, Error, Response};

/// How long an operation is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// The first pause between two questions; it doubles up to [`PAUSE_MAX`]. Much shorter than `Retry-After`, whose unit
/// is a second, because operations here take milliseconds and the server is next door.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);

struct Pause {
    started: Instant,
    next: Duration,
}

impl Pause {
    fn new() -> Pause {
        Pause { started: Instant::now(), next: PAUSE_MIN }
    }

    fn wait(&mut self, url: &str) -> Result<(), Error> {
        if self.started.elapsed() > PATIENCE {
            return Err(Error::StillRunning { url: url.to_owned(), seconds: PATIENCE.as_secs() });
        }
        std::thread::sleep(self.next);
        self.next = (self.next * 2).min(PAUSE_MAX);
        Ok(())
    }
}

impl Client {
    /// Waits for the operation that `accepted` began. The result of an action, or the answer's own body when nothing
    /// was begun.
    pub fn finish(&self, accepted: &Response) -> Result<Value, Error> {
        let mut pause = Pause::new();
        if let Some(url) = accepted.header("azure-asyncoperation") {
            loop {
                let answer = self.call("GET", url, None)?;
                match answer.body["status"].as_str() {
                    Some("Succeeded") => break,
                    Some("Failed" | "Canceled") => {
                        return Err(Error::Api(Box::new(ApiError::from_body(answer.status, &answer.body))));
                    }
                    Some(_) => pause.wait(url)?,
                    None => {
                        return Err(Error::BadAnswer {
                            url: url.to_owned(),
                            reason: "an operation without a status".to_owned(),
                        });
                    }
                }
            }
        }
        if let Some(url) = accepted.header("location") {
            loop {
                let answer = self.call("GET", url, None)?;
                if answer.status != 202 {
                    return Ok(answer.body);
                }
                pause.wait(url)?;
            }
        }
        Ok(accepted.body.clone())
    }
}
