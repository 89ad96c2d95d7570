//! Reads a stack's template, YAML or JSON, as far as a group's launch template is concerned: which
//! parameter its image comes from, and whether the group follows its newest version. No API of
//! AWS's says either: they return values, not where these come from.

use anyhow::{Context, Result, bail};
use granit_parser::{Event, Parser};

/// A value of a template. CloudFormation's short forms (`!Ref X`) are written out (`{Ref: X}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A map, in its order.
    Map(Vec<(String, Node)>),
    /// A list.
    List(Vec<Node>),
    /// Any scalar.
    Text(String),
}

/// A collection that has begun but not ended, with its tag.
struct Open {
    tag: Option<String>,
    /// A map has a key and a value in turn.
    is_map: bool,
    items: Vec<Node>,
}

/// Reads a template.
///
/// # Errors
/// It is not YAML, which includes JSON.
pub(crate) fn parse(text: &str) -> Result<Node> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.context("the template is not YAML")?;
        let tag = event.tag().filter(|tag| tag.is_custom()).map(|tag| tag.suffix().to_owned());
        let done = match &event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let is_map = matches!(event, Event::MappingStart(..));
                open.push(Open { tag, is_map, items: Vec::new() });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => open.pop().map(Open::closed),
            Event::Scalar(text, ..) => Some(long_form(tag, Node::Text(text.to_string()))),
            // CloudFormation supports no aliases (user guide, "Template formats").
            Event::Alias(_) => bail!("the template has a YAML alias"),
            _ => None,
        };
        let Some(done) = done else { continue };
        match open.last_mut() {
            Some(parent) => parent.items.push(done),
            None => return Ok(done),
        }
    }
    bail!("the template is empty")
}

impl Open {
    fn closed(self) -> Node {
        let node = if self.is_map {
            let mut items = self.items.into_iter();
            let mut fields = Vec::new();
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                fields.push((key.text().unwrap_or_default().to_owned(), value));
            }
            Node::Map(fields)
        } else {
            Node::List(self.items)
        };
        long_form(self.tag, node)
    }
}

/// `!Ref X` is `{Ref: X}`, `!Sub X` is `{Fn::Sub: X}`.
fn long_form(tag: Option<String>, node: Node) -> Node {
    let Some(tag) = tag else { return node };
    let name = if matches!(tag.as_str(), "Ref" | "Condition") { tag } else { format!("Fn::{tag}") };
    Node::Map(vec![(name, node)])
}

impl Node {
    /// The value at the end of a path of fields.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, field| match node {
            Self::Map(fields) => {
                fields.iter().find(|(name, _)| name == field).map(|(_, node)| node)
            }
            Self::List(_) | Self::Text(_) => None,
        })
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The parameters and resources that this takes its value from, in whatever function.
    pub(crate) fn references(&self) -> Vec<&str> {
        match self {
            Self::Text(_) => Vec::new(),
            Self::List(items) => items.iter().flat_map(Self::references).collect(),
            Self::Map(fields) => fields
                .iter()
                .flat_map(|(name, node)| match (name.as_str(), node) {
                    ("Ref", Self::Text(name)) => vec![name.as_str()],
                    ("Fn::Sub", Self::Text(text)) => variables(text),
                    ("Fn::Sub", Self::List(items)) => {
                        let text = items.first().and_then(Self::text).unwrap_or_default();
                        let given = items.iter().skip(1).flat_map(Self::references);
                        variables(text).into_iter().chain(given).collect()
                    }
                    (_, node) => node.references(),
                })
                .collect(),
        }
    }

    /// The resource whose attribute this is: `!GetAtt X.LatestVersionNumber` is of X.
    pub(crate) fn resource_of_attribute(&self, attribute: &str) -> Option<&str> {
        match self.at(&["Fn::GetAtt"])? {
            Self::Text(text) => {
                text.split_once('.').filter(|(_, name)| *name == attribute).map(|it| it.0)
            }
            Self::List(parts) => match parts.as_slice() {
                [Self::Text(resource), Self::Text(name)] if name == attribute => Some(resource),
                _ => None,
            },
            Self::Map(_) => None,
        }
    }
}

/// `X` in `a-${X}-${X.Attribute}-${!literal}`.
fn variables(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
    parts.filter(|name| !name.starts_with('!')).filter_map(|name| name.split('.').next()).collect()
}

/// What a template says of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupSource {
    /// The launch template in the same template.
    pub launch_template: Option<String>,
    /// Whether the group's version is that launch template's newest.
    pub follows_newest: bool,
    /// The parameters that the image comes from.
    pub image_parameters: Vec<String>,
}

/// What the template says of the group with this logical ID; `None` if it has no such resource.
pub(crate) fn group(template: &Node, logical_id: &str) -> Option<GroupSource> {
    let properties = template.at(&["Resources", logical_id, "Properties"])?;
    let mixed = ["MixedInstancesPolicy", "LaunchTemplate", "LaunchTemplateSpecification"];
    let used = properties.at(&["LaunchTemplate"]).or_else(|| properties.at(&mixed));
    let version = used.and_then(|used| used.at(&["Version"]));
    let newest = version.and_then(|version| version.resource_of_attribute("LatestVersionNumber"));
    let named = used.and_then(|used| {
        let id = used.at(&["LaunchTemplateId"]).or_else(|| used.at(&["LaunchTemplateName"]))?;
        id.references().first().copied()
    });
    let launch_template = newest.or(named);
    let image = launch_template.and_then(|id| {
        template.at(&["Resources", id, "Properties", "LaunchTemplateData", "ImageId"])
    });
    Some(GroupSource {
        launch_template: launch_template.map(str::to_owned),
        follows_newest: newest.is_some(),
        image_parameters: image
            .map(|image| image.references().into_iter().map(str::to_owned).collect())
            .unwrap_or_default(),
    })
}
