//! A request, read in full before anything is decided.

use std::collections::BTreeMap;

use serde_json::Value;

use super::path::decode;
use super::refused::Refused;

/// What came in.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The path, not decoded.
    pub path: String,
    /// The query, names in lower case.
    pub query: BTreeMap<String, String>,
    /// `https://` and the host as the client called it.
    pub base: String,
    /// The host as the client called it.
    pub host: String,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
    /// This request's id.
    pub id: String,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The bearer token, where there is one.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.header("authorization")?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The body as an object; an empty one is `{}`.
    pub fn object(&self) -> Result<Value, Refused> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let invalid = |reason: String| {
            let message = format!("The request content was invalid and could not be deserialized: '{reason}'.");
            Refused::new(400, "InvalidRequestContent", message)
        };
        match serde_json::from_slice::<Value>(&self.body) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
            Ok(_) => Err(invalid("the body has to be a JSON object".to_owned())),
            Err(error) => Err(invalid(error.to_string())),
        }
    }

    /// Refuses a call without an api-version that this server can serve: a date, 2016-09-01 or later.
    pub fn check_api_version(&self) -> Result<&str, Refused> {
        let Some(version) = self.query.get("api-version").filter(|version| !version.is_empty()) else {
            return Err(Refused::new(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        };
        let date = version.strip_suffix("-preview").unwrap_or(version);
        let form = time::macros::format_description!("[year]-[month]-[day]");
        let is_good = time::Date::parse(date, form).is_ok_and(|date| date >= time::macros::date!(2016 - 09 - 01));
        if !is_good {
            let message = format!(
                "The api-version '{version}' is invalid. The supported versions are dates from '2016-09-01' on, such as '2024-05-01'."
            );
            return Err(Refused::new(400, "InvalidApiVersionParameter", message));
        }
        Ok(version)
    }
}

/// A name as ARM takes it: letters, digits and any of `-_.()`, not ending with a period.
pub fn is_name(name: &str, longest: usize) -> bool {
    !name.is_empty()
        && name.len() <= longest
        && !name.ends_with('.')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.()".contains(c))
}

/// Splits a query (or a form) into names, in lower case, and values. What is broken is left out.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| decode(&text.replace('+', " "));
            Some((plain(name)?.to_ascii_lowercase(), plain(value)?))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_versions() {
        let check = |version: Option<&str>| {
            let query = version.map(|version| ("api-version".to_owned(), version.to_owned())).into_iter().collect();
            Request { query, ..Request::default() }
                .check_api_version()
                .map_err(|refused| refused.code)
                .map(str::to_owned)
        };
        assert_eq!(check(None), Err("MissingApiVersionParameter".into()));
        for good in ["2016-09-01", "2024-05-01", "2026-03-01", "2023-04-01-preview"] {
            assert_eq!(check(Some(good)), Ok(good.to_owned()));
        }
        for bad in ["2016-08-31", "latest", "2024-13-01", "2024-5-1", "2024-05-01x"] {
            assert_eq!(check(Some(bad)), Err("InvalidApiVersionParameter".into()), "{bad}");
        }
    }

    #[test]
    fn forms_are_decoded() {
        let form = pairs("grant_type=client_credentials&scope=https%3A%2F%2F127.0.0.1%2F%2F.default&x=a+b&bad=%zz");
        assert_eq!(form["scope"], "https://127.0.0.1//.default");
        assert_eq!(form["x"], "a b");
        assert!(!form.contains_key("bad"));
    }
}
