//! Whether an image may be named in a rollback.

use contract::ids::ImageId;

use super::parts;
use crate::inventory::Tags;
use crate::rollback;
use crate::target::Target;

fn check(tags: &[(&str, &str)]) -> Result<(), String> {
    let tags: Tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    let image: ImageId = "ami-0123456789abcdef0".parse().unwrap();
    let target = Target::Parameter("/driftless/web".into());
    rollback::check(&image, &tags, &target, &parts().settings).map_err(|error| error.to_string())
}

#[test]
fn an_image_must_be_for_this_target_and_no_other() {
    let parameter = ("ImageIdParameterName", "/driftless/web");
    assert_eq!(check(&[parameter]), Ok(()));
    // The tag is in wide use, so its value may be anything.
    assert_eq!(check(&[parameter, ("StackName", "wordpress-prod")]), Ok(()));
    for (tags, expected) in [
        (vec![], "its tags name no target"),
        (vec![("ImageIdParameterName", "/driftless/db")], "its tags name /driftless/db"),
        (
            vec![parameter, ("StackName", "driftless-web")],
            "is for /driftless/web and driftless-web",
        ),
    ] {
        let error = check(&tags).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
