//! An answer and the headers that every answer of ARM's has.

use serde_json::Value;
use uuid::Uuid;

use super::refused::Refused;

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; none for an empty one.
    pub body: Option<Value>,
    /// Headers of its own.
    pub headers: Vec<(&'static str, String)>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: Value) -> Answer {
        Answer { status: 200, body: Some(body), headers: vec![] }
    }

    /// A status and nothing else.
    pub fn empty(status: u16) -> Answer {
        Answer { status, body: None, headers: vec![] }
    }

    /// With another status.
    pub fn status(mut self, status: u16) -> Answer {
        self.status = status;
        self
    }

    /// With one header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let mut answer = Answer::ok(refused.body()).status(refused.status);
        answer.headers.push(("x-ms-failure-cause", "gateway".to_owned()));
        if let Some(challenge) = refused.challenge {
            answer.headers.push(("www-authenticate", challenge.into()));
        }
        answer
    }
}

/// The headers of every answer. `correlation` is the client's own, where it sent one.
pub fn standard_headers(request_id: &str, correlation: Option<&str>) -> Vec<(&'static str, String)> {
    vec![
        ("x-ms-request-id", request_id.to_owned()),
        ("x-ms-arm-service-request-id", Uuid::new_v4().to_string()),
        ("x-ms-correlation-request-id", correlation.unwrap_or(request_id).to_owned()),
        ("x-ms-routing-request-id", format!("CAUSEWAY:{request_id}")),
        ("x-ms-ratelimit-remaining-subscription-reads", "11999".to_owned()),
        ("x-ms-ratelimit-remaining-subscription-writes", "1199".to_owned()),
        ("cache-control", "no-cache".to_owned()),
        ("pragma", "no-cache".to_owned()),
        ("expires", "-1".to_owned()),
        ("strict-transport-security", "max-age=31536000; includeSubDomains".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}

/// An etag: a GUID's form, as clients have seen it, out of a revision.
pub fn etag(revision: u64) -> String {
    format!("W/\"{}\"", Uuid::from_u64_pair(0xca05_e0a7_0000_4000, 0x8000_0000_0000_0000 | revision))
}
