//! What can go wrong between a client and the API.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A call that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API refused, or an operation that it had accepted failed.
    #[error(transparent)]
    Api(Box<ApiError>),
    /// The API could not be reached, or went away in the middle.
    #[error("{url}: {reason}")]
    Transport {
        /// What was called.
        url: String,
        /// Why there is no answer.
        reason: String,
    },
    /// The answer was none that this client understands.
    #[error("{url}: {reason}")]
    BadAnswer {
        /// What was called.
        url: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// A file of credentials or certificates can't be used.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// An operation did not finish in the time that the caller gave it.
    #[error("{url}: still not finished after {seconds} s")]
    StillRunning {
        /// The operation's address.
        url: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl Error {
    /// The API's error, where it was the API that refused.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Error::Api(error) => Some(error),
            _ => None,
        }
    }

    /// The API answered that it is not there.
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(|error| error.status == 404)
    }

    /// Nobody answered; the same call may succeed later.
    pub fn is_transport(&self) -> bool {
        matches!(self, Error::Transport { .. })
    }
}

/// The API's error envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status; 200 for an accepted operation that then failed.
    pub status: u16,
    /// The error's code (`ResourceNotFound`).
    pub code: String,
    /// Its message.
    pub message: String,
    /// The field that it is about.
    pub target: Option<String>,
    /// Every single problem, where there were several.
    pub details: Vec<ApiErrorDetail>,
}

/// One of an error's details.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiErrorDetail {
    /// Its code.
    pub code: String,
    /// Its message.
    pub message: String,
    /// The field that it is about.
    pub target: Option<String>,
}

impl ApiError {
    /// Out of an answer's body: `{"error": {…}}`, or the token endpoint's `{"error": "…", "error_description": "…"}`.
    pub fn from_body(status: u16, body: &Value) -> ApiError {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        match body.get("error") {
            Some(Value::String(code)) => ApiError {
                status,
                code: code.clone(),
                message: text(body, "error_description").unwrap_or_default(),
                target: None,
                details: vec![],
            },
            Some(error) => ApiError {
                status,
                code: text(error, "code").unwrap_or_default(),
                message: text(error, "message").unwrap_or_default(),
                target: text(error, "target"),
                details: error
                    .get("details")
                    .and_then(Value::as_array)
                    .map(|details| {
                        details.iter().filter_map(|detail| ApiErrorDetail::deserialize(detail).ok()).collect::<Vec<_>>()
                    })
                    .unwrap_or_default(),
            },
            None => ApiError {
                status,
                code: format!("Http{status}"),
                message: "the answer has no error envelope".to_owned(),
                target: None,
                details: vec![],
            },
        }
    }

    /// The codes of the error and of its details.
    pub fn codes(&self) -> Vec<&str> {
        std::iter::once(self.code.as_str()).chain(self.details.iter().map(|detail| detail.code.as_str())).collect()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.status, self.message)?;
        for detail in &self.details {
            if detail.message != self.message {
                write!(f, "\n  {}: {}", detail.code, detail.message)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_both_envelopes() {
        let arm = ApiError::from_body(
            400,
            &json!({"error": {"code": "InvalidRequest", "message": "two problems", "details": [
                {"code": "A", "message": "first", "target": "properties.a"}, {"code": "B", "message": "second"}]}}),
        );
        assert_eq!(arm.codes(), ["InvalidRequest", "A", "B"]);
        assert_eq!(arm.details[0].target.as_deref(), Some("properties.a"));
        let token =
            ApiError::from_body(401, &json!({"error": "invalid_client", "error_description": "AADSTS7000215: no"}));
        assert_eq!((token.code.as_str(), token.message.as_str()), ("invalid_client", "AADSTS7000215: no"));
        assert_eq!(ApiError::from_body(502, &Value::Null).code, "Http502");
    }
}
