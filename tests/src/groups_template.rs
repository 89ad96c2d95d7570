//! A template with many Auto Healing groups, each with its own image parameter.

use std::fmt::Write;

use anyhow::Result;

use crate::cloud::Cloud;
use crate::stack::{Request, Stack};

/// The key of the `n`th group's image parameter.
#[must_use]
pub fn parameter(n: usize) -> String {
    format!("Image{n}")
}

/// The logical ID of the `n`th group.
#[must_use]
pub fn group(n: usize) -> String {
    format!("Group{n}")
}

/// Deploys a stack with `groups` groups that boot `image`.
pub async fn deploy(cloud: &Cloud, name: &str, groups: usize, image: &str) -> Result<Stack> {
    let keys: Vec<_> = (0..groups).map(parameter).collect();
    let parameters: Vec<_> = keys.iter().map(|key| (key.as_str(), image)).collect();
    let template = template(groups)?;
    let request = Request { name, template: &template, parameters: &parameters, capabilities: &[] };
    Stack::deploy(cloud, &request).await
}

/// A template like `two-groups.yaml` with this number of groups.
fn template(groups: usize) -> Result<String> {
    let mut parameters = String::new();
    let mut resources = String::new();
    for n in 0..groups {
        writeln!(parameters, "  Image{n}: {{Type: 'AWS::EC2::Image::Id'}}")?;
        write!(
            resources,
            "  Template{n}:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData:
        ImageId: !Ref Image{n}
        InstanceType: t3.micro
        TagSpecifications:
          - ResourceType: instance
            Tags:
              - {{Key: StackName, Value: !Ref 'AWS::StackName'}}
              - {{Key: ImageIdParameterKey, Value: Image{n}}}
  Group{n}:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      MinSize: '1'
      MaxSize: '1'
      AvailabilityZones: !GetAZs ''
      LaunchTemplate:
        LaunchTemplateId: !Ref Template{n}
        Version: !GetAtt Template{n}.LatestVersionNumber
"
        )?;
    }
    Ok(format!("Parameters:\n{parameters}Resources:\n{resources}"))
}
