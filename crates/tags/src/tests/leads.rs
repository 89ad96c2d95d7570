//! Where tags lead, in every form that people write, and what is another's business.

use super::{TO_PARAMETER, TO_STACK, TO_STACKS_DB, settings, tags};
use crate::{Destination, Leads, Settings, TagKeys};

fn parameter() -> Destination {
    Destination::Parameter("/golden/web".parse().unwrap())
}

fn stack() -> Destination {
    Destination::Stack("web".parse().unwrap())
}

#[test]
fn tags_send_an_image_to_a_parameter_to_a_stack_to_both_or_nowhere() {
    for (tagged, destinations) in [
        (vec![("Name", "web")], vec![]),
        (TO_PARAMETER.to_vec(), vec![parameter()]),
        (TO_STACK.to_vec(), vec![stack()]),
        (TO_STACKS_DB.to_vec(), vec![stack()]),
        ([TO_PARAMETER, TO_STACK].concat(), vec![parameter(), stack()]),
        // A key says nothing without a stack.
        (vec![("ImageIdParameterKey", "no key")], vec![]),
    ] {
        let expected = Leads { destinations, foreign: vec![] };
        assert_eq!(settings().leads(&tags(&tagged)), Ok(expected), "{tagged:?}");
    }
}

/// A parameter's ARN: Systems Manager user guide, "Creating Parameter Store parameters". A stack's
/// ID is its ARN (`Stack`, `StackId`).
#[test]
fn a_value_with_spaces_and_an_arn_mean_what_they_say() {
    for (tag, value, destination) in [
        ("ImageIdParameterName", "/golden/web ", parameter()),
        ("ImageIdParameterName", "\t/golden/web", parameter()),
        (
            "ImageIdParameterName",
            "arn:aws:ssm:eu-west-1:111122223333:parameter/golden/web",
            parameter(),
        ),
        ("StackName", " web ", stack()),
        ("StackName", "arn:aws:cloudformation:eu-west-1:111122223333:stack/web/5a7b9c1d", stack()),
        ("StackName", " arn:aws-cn:cloudformation:eu-west-1:111122223333:stack/web/5a ", stack()),
    ] {
        let tags = tags(&[(tag, value)]);
        let found = settings().leads(&tags).unwrap().destinations;
        assert_eq!(found, std::slice::from_ref(&destination), "{value}");
        assert!(settings().names(&tags, &destination), "{value}");
    }
    let key = tags(&[TO_STACK[0], ("ImageIdParameterKey", " DbImage ")]);
    assert_eq!(settings().key_at(&stack(), &key).unwrap().as_str(), "DbImage");
}

#[test]
fn what_lies_outside_the_prefixes_is_anothers_whatever_it_looks_like() {
    for (tag, value) in [
        ("StackName", "wordpress-prod"),
        ("StackName", "Cost centre 7 (do not touch!)"),
        ("StackName", ""),
        ("StackName", "arn:aws:cloudformation:eu-west-1:999999999999:stack/wordpress/5a"),
        ("StackName", "arn:aws:s3:::web"),
        ("ImageIdParameterName", "/elsewhere/web"),
        ("ImageIdParameterName", "golden/web"),
        ("ImageIdParameterName", "arn:aws:ssm:eu-west-1:111122223333:parameter/elsewhere"),
    ] {
        let leads = settings().leads(&tags(&[(tag, value)])).unwrap();
        assert_eq!(leads.destinations, [], "{value}");
        let [reason] = &leads.foreign[..] else { panic!("{leads:?}") };
        let said = format!("the tag {tag} names {value:?}, and Driftless may only touch");
        assert!(reason.starts_with(&said), "{reason}");
    }
}

#[test]
fn what_lies_inside_the_prefixes_and_is_wrong_is_invalid_input() {
    let mine = "expected an ARN of account 111122223333 in Region eu-west-1, found account";
    for (tagged, field, expected) in [
        (vec![("ImageIdParameterName", "/golden/a*")], "ImageIdParameterName", "expected the name"),
        (vec![("StackName", "web server")], "StackName", "expected the name of a stack"),
        (
            vec![TO_STACK[0], ("ImageIdParameterKey", "a-b")],
            "ImageIdParameterKey",
            "expected the name of a template parameter",
        ),
        (
            vec![(
                "ImageIdParameterName",
                "arn:aws:ssm:eu-west-1:999999999999:parameter/golden/web",
            )],
            "ImageIdParameterName",
            &format!("{mine} \"999999999999\" in Region \"eu-west-1\""),
        ),
        (
            vec![("StackName", "arn:aws:cloudformation:us-east-1:111122223333:stack/web/5a")],
            "StackName",
            &format!("{mine} \"111122223333\" in Region \"us-east-1\""),
        ),
    ] {
        let message = settings().leads(&tags(&tagged)).unwrap_err().to_string();
        assert!(message.starts_with(&format!("tags.{field}: {expected}")), "{message}");
    }
}

#[test]
fn the_keys_are_the_operators() {
    let keys = TagKeys {
        parameter_name: "promote:parameter".into(),
        stack_name: "promote:stack".into(),
        parameter_key: "promote:key".into(),
        instance_refresh: "promote:refresh".into(),
    };
    let settings = Settings { keys, ..settings() };
    let tags = tags(&[
        ("StackName", "web-costs"),
        ("promote:stack", "web"),
        ("promote:key", "DbImage"),
        ("promote:refresh", " TRUE"),
    ]);
    let expected = Leads { destinations: vec![stack()], foreign: vec![] };
    assert_eq!(settings.leads(&tags), Ok(expected));
    assert_eq!(settings.tag_of(&stack()), "promote:stack");
    assert_eq!(settings.key_at(&stack(), &tags).unwrap().as_str(), "DbImage");
    assert!(settings.ask_for_refresh(&tags));
}
