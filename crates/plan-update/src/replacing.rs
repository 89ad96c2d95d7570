//! Which groups an update replaces by their `UpdatePolicy`. A change set does not say so: it shows
//! `Conditional` for every group whose launch template changes.

use serde_json::Value;

const POLICY: &str = "AutoScalingReplacingUpdate";

/// Whether this group's `AutoScalingReplacingUpdate` has `WillReplace` (CloudFormation user guide,
/// `UpdatePolicy` attribute). The template is JSON or YAML, as `GetTemplate` returns it.
#[must_use]
pub(crate) fn will_replace(template: &str, logical_id: &str) -> bool {
    if let Ok(template) = serde_json::from_str::<Value>(template) {
        let path = ["Resources", logical_id, "UpdatePolicy", POLICY, "WillReplace"];
        let value = path.into_iter().try_fold(&template, |found, name| found.get(name));
        return value.is_some_and(|value| value == true || value == "true");
    }
    let block: String = block(template, logical_id).collect::<Vec<_>>().concat();
    let block: String =
        block.chars().filter(|c| !c.is_whitespace() && !"'\"".contains(*c)).collect();
    let policy = block.split_once(POLICY).map(|(_, policy)| policy);
    policy.is_some_and(|policy| policy.to_ascii_lowercase().contains("willreplace:true"))
}

/// The lines of a YAML mapping under this key, without comments.
fn block<'a>(yaml: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let is_key = move |line: &&str| {
        let name = line.trim_start().split(':').next().unwrap_or_default();
        indent(line) > 0 && name.trim_matches(['\'', '"']) == key
    };
    let lines = yaml.lines().map(|line| line.split(" #").next().unwrap_or_default());
    let mut lines = lines.filter(|line| !line.trim().is_empty());
    let first = lines.find(is_key);
    let outer = first.map(indent);
    first.into_iter().chain(lines.take_while(move |line| outer.is_some_and(|o| indent(line) > o)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
Parameters:
  ImageId:
    Type: AWS::EC2::Image::Id
Resources:
  Group:
    Type: AWS::AutoScaling::AutoScalingGroup
    UpdatePolicy:
      AutoScalingReplacingUpdate:
        WillReplace: true  # a new group
    Properties:
      MinSize: '1'
  Rolling:
    Type: AWS::AutoScaling::AutoScalingGroup
    UpdatePolicy: {AutoScalingRollingUpdate: {MinInstancesInService: 0}}
  Short:
    UpdatePolicy: {AutoScalingReplacingUpdate: {WillReplace: 'true'}}
  Kept:
    UpdatePolicy:
      AutoScalingReplacingUpdate:
        WillReplace: false
";

    #[test]
    fn only_a_group_whose_policy_says_so_is_replaced() {
        for (group, expected) in
            [("Group", true), ("Rolling", false), ("Short", true), ("Kept", false), ("None", false)]
        {
            assert_eq!(will_replace(YAML, group), expected, "{group}");
        }
        let json = |value: &str| {
            format!(
                r#"{{"Resources": {{"Group": {{"UpdatePolicy": {{"{POLICY}": {{"WillReplace": {value}}}}}}}}}}}"#
            )
        };
        for (value, expected) in [("true", true), ("\"true\"", true), ("false", false)] {
            assert_eq!(will_replace(&json(value), "Group"), expected, "{value}");
        }
        assert!(!will_replace("", "Group") && !will_replace("{}", "Group"));
    }
}
