//! Reads a body's fields. What is of a wrong type or form is a problem that names field, value and rule; reading goes on,
//! so that a client hears of every one at once. `null` is absent, as ARM has it.

use std::collections::BTreeMap;
use std::str::FromStr;

use causeway_model::Problem;
use serde_json::Value;

/// A body being read.
#[derive(Debug)]
pub struct Reader<'a> {
    body: &'a Value,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
    /// Fields that the model would blame for what could not be read.
    pub blamed: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    /// Reads `body`.
    pub fn new(body: &'a Value) -> Reader<'a> {
        Reader { body, problems: vec![], blamed: vec![] }
    }

    /// The value at a path like `properties.sku.tier`; none when it is absent or null.
    pub fn at(&self, path: &str) -> Option<&'a Value> {
        let mut value = self.body;
        for key in path.split('.') {
            value = value.get(key)?;
        }
        (!value.is_null()).then_some(value)
    }

    fn wrong(&mut self, path: &str, message: String) {
        self.problems.push(Problem::bad_request("InvalidRequestFormat", path, message));
    }

    /// A text; an empty one is absent, since clients send `""` for what is not set.
    pub fn text(&mut self, path: &str) -> Option<&'a str> {
        match self.at(path)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text),
            other => {
                self.wrong(path, format!("{path} is {other}, but has to be a string."));
                None
            }
        }
    }

    /// A text that has to be there.
    pub fn required_text(&mut self, path: &str) -> Option<&'a str> {
        let text = self.text(path);
        if text.is_none() {
            self.missing(path);
        }
        text
    }

    /// Notes that something is missing, unless it is there and could not be read.
    pub fn missing(&mut self, path: &str) {
        if self.problems.iter().all(|problem| problem.target != path) {
            let message = format!("{path} is missing; it has to be given.");
            self.problems.push(Problem::bad_request("MissingRequiredProperty", path, message));
        }
    }

    /// A whole number from `from` to `to`.
    pub fn number(&mut self, path: &str, from: u32, to: u32) -> Option<u32> {
        let value = self.at(path)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number {
            Some(number) if (from..=to).contains(&number) => Some(number),
            _ => {
                self.problems.push(Problem::bad_request(
                    "PropertyOutOfRange",
                    path,
                    format!("{path} is {value}, but has to be a whole number from {from} to {to}."),
                ));
                None
            }
        }
    }

    /// A number that has to be there.
    pub fn required_number(&mut self, path: &str, from: u32, to: u32) -> Option<u32> {
        if self.at(path).is_none() {
            self.missing(path);
            return None;
        }
        self.number(path, from, to)
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, path: &str) -> Option<bool> {
        let value = self.at(path)?;
        if value.as_bool().is_none() {
            self.wrong(path, format!("{path} is {value}, but has to be true or false."));
        }
        value.as_bool()
    }

    /// One of a few words, without regard to case.
    pub fn word<T: Copy>(&mut self, path: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(path)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
        if found.is_none() {
            let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            self.problems.push(Problem::bad_request(
                "InvalidPropertyValue",
                path,
                format!("{path} is '{text}', but has to be one of {list}."),
            ));
        }
        found
    }

    /// Something with a form of its own, such as a prefix.
    pub fn parsed<T: FromStr>(&mut self, path: &str, code: &str, form: &str) -> Option<T> {
        let text = self.text(path)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let message = format!("{path} is '{text}', which is not {form}.");
            self.problems.push(Problem::bad_request(code, path, message));
        }
        parsed
    }

    /// A list; none when it is absent.
    pub fn list(&mut self, path: &str) -> Option<&'a [Value]> {
        let value = self.at(path)?;
        match value.as_array() {
            Some(list) => Some(list),
            None => {
                self.wrong(path, format!("{path} has to be a list."));
                None
            }
        }
    }

    /// `tags`: an object of strings, at most 50.
    pub fn tags(&mut self) -> Option<BTreeMap<String, String>> {
        let value = self.at("tags")?;
        let tags = value.as_object().and_then(|tags| {
            tags.iter()
                .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect::<Option<BTreeMap<_, _>>>()
        });
        match tags {
            Some(tags) if tags.len() <= 50 => Some(tags),
            _ => {
                self.problems.push(Problem::bad_request(
                    "InvalidTags",
                    "tags",
                    "tags has to be an object of at most 50 strings.",
                ));
                None
            }
        }
    }

    /// The id in `{"id": "…"}`.
    pub fn reference(&mut self, path: &str) -> Option<causeway_model::ResourceId> {
        self.at(path)?;
        let id = self.text(&format!("{path}.id"))?;
        if !id.starts_with('/') {
            self.problems.push(Problem::bad_request(
                "LinkedInvalidPropertyId",
                &format!("{path}.id"),
                format!("Property id '{id}' at path '{path}.id' is invalid. Expect fully qualified resource Id that start with '/subscriptions/{{subscriptionId}}'."),
            ));
            return None;
        }
        Some(causeway_model::ResourceId::new(id.trim_end_matches('/')))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_field_is_named_with_its_value_and_its_rule() {
        let body = json!({"properties": {"vlanId": 5000, "peerASN": "x", "state": "Sideways", "empty": "", "none": null,
                           "prefix": "10.0.0.0/33"}, "tags": {"a": 1}});
        let mut read = Reader::new(&body);
        assert_eq!(read.number("properties.vlanId", 1, 4094), None);
        assert_eq!(read.required_number("properties.peerASN", 1, u32::MAX), None);
        assert_eq!(read.word("properties.state", &[("Enabled", true), ("Disabled", false)]), None);
        assert_eq!(read.text("properties.empty"), None);
        assert_eq!(read.text("properties.none.deeper"), None);
        assert_eq!(read.parsed::<ipnet::Ipv4Net>("properties.prefix", "InvalidPrefix", "an IPv4 prefix"), None);
        assert_eq!(read.tags(), None);
        let messages: Vec<&str> = read.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "properties.vlanId is 5000, but has to be a whole number from 1 to 4094.",
                "properties.peerASN is \"x\", but has to be a whole number from 1 to 4294967295.",
                "properties.state is 'Sideways', but has to be one of Enabled, Disabled.",
                "properties.prefix is '10.0.0.0/33', which is not an IPv4 prefix.",
                "tags has to be an object of at most 50 strings.",
            ]
        );
    }
}
