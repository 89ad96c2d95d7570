//! Which targets tags name.

use super::parts;
use crate::inventory::{Tags, named, targets_in};
use crate::target::Target;

#[test]
fn a_tag_names_a_target_by_its_name_or_its_arn() {
    for (value, expected) in [
        ("/driftless/web", "/driftless/web"),
        ("arn:aws:ssm:eu-west-1:111122223333:parameter/driftless/web", "/driftless/web"),
        ("arn:aws:cloudformation:eu-west-1:111122223333:stack/driftless-web/1-2", "driftless-web"),
        ("driftless-web", "driftless-web"),
    ] {
        assert_eq!(named(value), expected, "{value}");
    }
}

#[test]
fn a_tag_outside_the_prefixes_names_no_target() {
    let tags = |pairs: &[(&str, &str)]| -> Tags {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    let parameter = Target::Parameter("/driftless/web".into());
    let stack = Target::Stack("driftless-web".into());
    for (pairs, expected) in [
        (vec![], vec![]),
        (vec![("ImageIdParameterName", " /driftless/web ")], vec![parameter.clone()]),
        (vec![("StackName", "wordpress-prod")], vec![]),
        (
            vec![("StackName", "driftless-web"), ("ImageIdParameterName", "/driftless/web")],
            vec![parameter, stack],
        ),
    ] {
        assert_eq!(targets_in(&tags(&pairs), &parts().settings), expected, "{pairs:?}");
    }
}
