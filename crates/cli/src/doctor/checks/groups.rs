//! The groups: what they boot, and the tags that their instances carry.

use super::{Case, StackFacts};
use crate::doctor::Finding;
use crate::inventory::groups::Group;
use crate::inventory::{Tags, is_named};
use crate::target::Target;

/// Pattern 1: a launch template reads the parameter, and no fixed version of it.
pub(super) fn reader(case: &Case<'_>, name: &str) -> Finding {
    const CHECK: &str = "group";
    let change = format!("LaunchTemplateData:\n  ImageId: resolve:ssm:{name}");
    let fixed = case.facts.groups.iter().find_map(|group| {
        let version = group.reads(name, case.parts.account()).into_iter().find(|it| !it.is_empty());
        version.map(|version| (group, version))
    });
    if let Some((group, version)) = fixed {
        let found =
            format!("group {} reads {name}:{version}, which no promotion moves", group.name);
        return Finding::change(CHECK, found, change);
    }
    if case.facts.groups.is_empty() {
        let found = "no group has a launch template that reads the parameter";
        return Finding::change(CHECK, found, change);
    }
    Finding::ok(CHECK, format!("{} reads the parameter", names(&case.facts.groups)))
}

/// Pattern 2: the stack has a group.
pub(super) fn exists(case: &Case<'_>) -> Finding {
    const CHECK: &str = "group";
    if case.facts.groups.is_empty() {
        return Finding::change(
            CHECK,
            "the stack has no Auto Scaling group",
            "define the group and its launch template in this stack, as in docs/templates/stack.yaml",
        );
    }
    Finding::ok(CHECK, names(&case.facts.groups))
}

/// Pattern 2: the stack has the image parameter that the instances are tagged with.
pub(super) fn parameter(case: &Case<'_>, group: &Group, stack: &StackFacts) -> Finding {
    const CHECK: &str = "image parameter";
    let key = case.key(group);
    let kind = stack
        .template
        .as_ref()
        .ok()
        .and_then(|template| template.at(&["Parameters", &key, "Type"])?.text());
    if !stack.parameters.contains_key(&key) {
        let has: Vec<_> = stack.parameters.keys().map(String::as_str).collect();
        let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
        return Finding::change(
            CHECK,
            format!("the stack has no parameter {key}; it has: {has}"),
            format!("Parameters:\n  {key}:\n    Type: AWS::EC2::Image::Id"),
        );
    }
    match kind {
        Some(kind) if kind.contains("List") => Finding::change(
            CHECK,
            format!("{key} is a {kind}; a promotion would replace the list by one image"),
            format!("Parameters:\n  {key}:\n    Type: AWS::EC2::Image::Id"),
        ),
        Some(kind) => Finding::ok(CHECK, format!("{key}, {kind}")),
        None => Finding::ok(CHECK, key),
    }
}

/// Pattern 2: the group's launch template takes its image from that parameter.
pub(super) fn image(case: &Case<'_>, group: &Group) -> Finding {
    const CHECK: &str = "image";
    let key = case.key(group);
    let source = match case.source(group) {
        Ok(source) => source,
        Err(reason) => return Finding::unknown(CHECK, reason),
    };
    let Some(template) = &source.launch_template else {
        return Finding::unknown(CHECK, "the launch template is not in the stack's template");
    };
    if source.image_parameters.contains(&key) {
        return Finding::ok(CHECK, format!("{template} takes it from {key}"));
    }
    let lines =
        format!("{template}:\n  Properties:\n    LaunchTemplateData:\n      ImageId: !Ref {key}");
    match source.image_parameters.as_slice() {
        // More likely, the tag is missing than the template wrong.
        [other] if !is_tagged_with_key(case, group) => Finding::change(
            CHECK,
            format!("{template} takes it from {other}, and no tag says so"),
            tag_lines(Some(template), &case.parts.settings.parameter_key_tag, other),
        ),
        [] => Finding::change(CHECK, format!("{template} has a fixed image"), lines),
        others => {
            let found = format!("{template} takes it from {}, not from {key}", others.join(", "));
            Finding::change(CHECK, found, lines)
        }
    }
}

fn is_tagged_with_key(case: &Case<'_>, group: &Group) -> bool {
    group.instance_tags().contains_key(&case.parts.settings.parameter_key_tag)
}

/// Pattern 2: an update that creates a launch template version gives it to the group.
pub(super) fn version(case: &Case<'_>, group: &Group) -> Finding {
    const CHECK: &str = "version";
    let source = match case.source(group) {
        Ok(source) => source,
        Err(reason) => return Finding::unknown(CHECK, reason),
    };
    let template = source.launch_template.as_deref().unwrap_or("LaunchTemplate");
    let line = format!("Version: !GetAtt {template}.LatestVersionNumber");
    if !source.follows_newest {
        let named: Vec<_> = group.versions.iter().map(|version| version.named.as_str()).collect();
        let found = format!("the group's version is fixed: {}", named.join(", "));
        return Finding::change(CHECK, found, line);
    }
    match group.versions.iter().find(|version| version.number < version.latest) {
        Some(old) => Finding::change(
            CHECK,
            format!(
                "the group boots version {} of {}, made outside the stack",
                old.number, old.latest
            ),
            "update the stack once, so that the group gets the newest version".to_owned(),
        ),
        None => Finding::ok(CHECK, "the newest of the launch template"),
    }
}

/// The instances carry the tags that AWS Backup copies to their images.
pub(super) fn tags(case: &Case<'_>, group: &Group) -> Finding {
    const CHECK: &str = "tags";
    let settings = &case.parts.settings;
    let is_named = |tags: &Tags| is_named(case.target, tags, settings);
    let (key, value, line) = match case.target {
        Target::Parameter(name) => (&settings.parameter_name_tag, name, name.clone()),
        Target::Stack(name) => (&settings.stack_name_tag, name, "!Ref AWS::StackName".to_owned()),
    };
    if !is_named(&group.instance_tags()) {
        let found = format!("instances of {} do not get the tag {key} = {value}", group.name);
        let template = case.source(group).ok().and_then(|source| source.launch_template);
        return Finding::change(CHECK, found, tag_lines(template.as_ref(), key, &line));
    }
    let untagged = group
        .instances
        .iter()
        .find(|id| case.facts.instances.get(*id).is_some_and(|tags| !is_named(tags)));
    match untagged {
        Some(id) => Finding::change(
            CHECK,
            format!("{id} was launched without the tag {key}, so its backups have none"),
            format!("aws ec2 create-tags --resources {id} --tags Key={key},Value={value}"),
        ),
        None => Finding::ok(CHECK, format!("{key} = {value}")),
    }
}

/// The lines for the launch template, by its logical ID if that is known.
fn tag_lines(template: Option<&String>, key: &str, value: &str) -> String {
    let name = template.map_or("The launch template", String::as_str);
    format!(
        "{name}:\n  Properties:\n    LaunchTemplateData:\n      TagSpecifications:\n        \
         - ResourceType: instance\n          Tags:\n            - Key: {key}\n              Value: {value}"
    )
}

fn names(groups: &[Group]) -> String {
    groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ")
}
