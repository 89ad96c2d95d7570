//! Reads and prints a state machine's definition. The order of fields is kept, and what fits on one
//! line is printed on one line, so that a generated file reads like one that was written by hand.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The maximum length of a line with a whole object or array.
const MAX_COLUMNS: usize = 110;

/// JSON whose objects keep the order of their fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// A text, a number, `true`, `false` or `null`.
    Scalar(Value),
}

impl Node {
    /// The field of an object.
    pub(crate) fn get(&self, field: &str) -> Option<&Node> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, field: &str) -> Option<&mut Node> {
        let Self::Object(fields) = self else { return None };
        fields.iter_mut().find(|(name, _)| name == field).map(|(_, value)| value)
    }

    /// The text, if it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        let Self::Scalar(Value::String(text)) = self else { return None };
        Some(text)
    }

    /// Sets a field of an object: replaces the field of this name, or inserts it before another.
    pub(crate) fn set(&mut self, field: &str, value: Node, before: &str) {
        let Self::Object(fields) = self else { return };
        if let Some((_, old)) = fields.iter_mut().find(|(name, _)| name == field) {
            *old = value;
            return;
        }
        let place = fields.iter().position(|(name, _)| name == before).unwrap_or(fields.len());
        fields.insert(place, (field.to_owned(), value));
    }

    /// The text of the file.
    pub(crate) fn printed(&self) -> String {
        let mut text = String::new();
        self.print(&mut text, 0, 0, 0);
        text.push('\n');
        text
    }

    /// `indent` is the line's indent, `column` is where the node begins, `after` is what must
    /// follow on its last line.
    fn print(&self, text: &mut String, indent: usize, column: usize, after: usize) {
        let inline = self.inline(true);
        if indent > 0 && column + inline.chars().count() + after <= MAX_COLUMNS {
            text.push_str(&inline);
            return;
        }
        match self {
            Self::Scalar(_) => text.push_str(&inline),
            Self::Object(fields) if fields.is_empty() => text.push_str("{}"),
            Self::Array(items) if items.is_empty() => text.push_str("[]"),
            Self::Object(fields) => {
                text.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    let key = format!("{}: ", Value::from(name.as_str()));
                    begin_line(text, index, indent + 2);
                    text.push_str(&key);
                    let comma = usize::from(index + 1 < fields.len());
                    value.print(text, indent + 2, indent + 2 + key.chars().count(), comma);
                }
                end_lines(text, indent, '}');
            }
            Self::Array(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    begin_line(text, index, indent + 2);
                    let comma = usize::from(index + 1 < items.len());
                    item.print(text, indent + 2, indent + 2, comma);
                }
                end_lines(text, indent, ']');
            }
        }
    }

    /// The node on one line. Only the outermost object has spaces inside its braces.
    fn inline(&self, is_outermost: bool) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Scalar(value) => value.to_string(),
            Self::Array(items) => {
                format!("[{}]", joined(items.iter().map(|item| item.inline(false)).collect()))
            }
            Self::Object(fields) => {
                let field = |(name, value): &(String, Node)| {
                    format!("{}: {}", Value::from(name.as_str()), value.inline(false))
                };
                let inside = joined(fields.iter().map(field).collect());
                if is_outermost { format!("{{ {inside} }}") } else { format!("{{{inside}}}") }
            }
        }
    }
}

fn begin_line(text: &mut String, index: usize, indent: usize) {
    text.push_str(if index == 0 { "\n" } else { ",\n" });
    text.push_str(&" ".repeat(indent));
}

fn end_lines(text: &mut String, indent: usize, end: char) {
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push(end);
}

impl<T: Into<Value>> From<T> for Node {
    fn from(value: T) -> Self {
        Self::Scalar(value.into())
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Object(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element()? {
            found.push(item);
        }
        Ok(Node::Array(found))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(text.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn prints(json: &str, expected: &str) {
        let node: Node = serde_json::from_str(json).unwrap();
        assert_eq!(node.printed(), expected);
        // Printing is idempotent.
        assert_eq!(serde_json::from_str::<Node>(expected).unwrap(), node);
    }

    #[test]
    fn fields_keep_their_order_and_short_values_are_on_one_line() {
        prints(
            r#"{"Z": {"b": 1, "a": {"c": [1.5, null, {"d": true}]}}, "A": []}"#,
            "{\n  \"Z\": { \"b\": 1, \"a\": {\"c\": [1.5, null, {\"d\": true}]} },\n  \"A\": []\n}\n",
        );
    }

    #[test]
    fn long_values_are_broken_into_lines() {
        let long = "x".repeat(60);
        prints(
            &format!(r#"{{"A": [{{"a": "{long}", "b": "{long}"}}, {{"c": -1}}]}}"#),
            &format!(
                "{{\n  \"A\": [\n    {{\n      \"a\": \"{long}\",\n      \"b\": \"{long}\"\n    }},\n    {{ \"c\": -1 }}\n  ]\n}}\n"
            ),
        );
    }

    #[test]
    fn a_field_is_replaced_where_it_is_or_put_before_another() {
        let mut node: Node = serde_json::from_str(r#"{"a": 1, "z": 2}"#).unwrap();
        node.set("a", 3.into(), "z");
        node.set("m", 4.into(), "z");
        assert_eq!(node.inline(true), r#"{ "a": 3, "m": 4, "z": 2 }"#);
        assert_eq!(node.get("m"), Some(&4.into()));
        assert_eq!(node.get("q"), None);
    }
}
