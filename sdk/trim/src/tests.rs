//! Trims a crate like those that AWS publishes, but with two operations.

use std::fs;
use std::path::Path;

use crate::names::Names;
use crate::published::Sdk;
use crate::trimmed::{self, Files};

const PUBLISHED: &[(&str, &str)] = &[
    (
        "Cargo.toml",
        "[package]\nname = \"aws-sdk-x\"\n\n[dev-dependencies.tokio]\nversion = \"1\"\n",
    ),
    ("LICENSE", "Apache\n"),
    (
        "src/lib.rs",
        "#![warn(missing_docs)]\npub use client::Client;\npub use config::Config;\npub mod client;\npub mod \
         config;\npub mod error;\npub mod meta;\npub mod operation;\npub mod primitives;\nmod \
         protocol_serde;\n/// Types.\npub mod types;\n",
    ),
    ("src/config.rs", "pub struct Config;\n"),
    ("src/error.rs", ""),
    ("src/meta.rs", ""),
    ("src/primitives.rs", "pub use ::aws_smithy_types::DateTime;\n"),
    (
        "src/client.rs",
        "pub struct Client;\npub trait Waiters { fn wait(&self) -> crate::types::Waited; }\nimpl Waiters for \
         Client { fn wait(&self) -> crate::types::Waited { crate::types::Waited } }\npub mod customize;\nmod \
         describe_images;\nmod delete_image;\n",
    ),
    ("src/client/customize.rs", ""),
    (
        "src/client/describe_images.rs",
        "impl super::Client { pub fn describe_images(&self) -> \
         crate::operation::describe_images::DescribeImagesOutput { todo!() } }\n",
    ),
    (
        "src/client/delete_image.rs",
        "impl super::Client { pub fn delete_image(&self) -> crate::operation::delete_image::DeleteImageOutput \
         { todo!() } }\n",
    ),
    ("src/operation.rs", "pub mod describe_images;\npub mod delete_image;\n"),
    ("src/operation/delete_image.rs", "pub struct DeleteImageOutput;\n"),
    (
        "src/operation/describe_images.rs",
        "pub struct DescribeImagesOutput { pub images: Vec<crate::types::Image> }\npub enum \
         DescribeImagesError { Throttled(u8), Denied(u8), Unhandled(u8) }\nimpl DescribeImagesError { pub fn \
         is_denied(&self) -> bool { matches!(self, Self::Denied(_)) } }\nimpl Kind for DescribeImagesError { fn \
         retryable_error_kind(&self) -> bool { match self { Self::Throttled(_) => true, _ => false } } \
         }\npub(crate) fn read() -> Result<DescribeImagesOutput, DescribeImagesError> { \
         crate::protocol_serde::shape_image::de_image(); todo!() }\nimpl From<u8> for DescribeImagesOutput { fn from(_: u8) -> Self { read() } }\n",
    ),
    ("src/protocol_serde.rs", "pub(crate) mod shape_image;\npub(crate) mod shape_tag;\n"),
    (
        "src/protocol_serde/shape_image.rs",
        "pub fn de_image() -> crate::types::Image { let mut builder = \
         crate::types::builders::ImageBuilder::default(); match \"\" { \"a\" => { builder = \
         builder.set_image_id(None); }, \"b\" => { builder = \
         builder.set_tags(crate::protocol_serde::shape_tag::de_tag()); }, _ => {} } builder.build() }\n",
    ),
    ("src/protocol_serde/shape_tag.rs", "pub fn de_tag() -> Option<crate::types::Tag> { None }\n"),
    (
        "src/types.rs",
        "pub use crate::types::_image::Image;\npub use crate::types::_state::State;\npub use \
         crate::types::_tag::Tag;\nmod _image;\nmod _state;\nmod _tag;\npub mod builders;\npub struct Waited;\n",
    ),
    ("src/types/builders.rs", "pub use crate::types::_image::ImageBuilder;\n"),
    ("src/types/_tag.rs", "pub struct Tag;\n"),
    (
        "src/types/_state.rs",
        "pub enum State { Available, Gone, Unknown(String) }\nimpl From<&str> for State { fn from(s: &str) -> \
         Self { match s { \"available\" => State::Available, \"gone\" => State::Gone, other => \
         State::Unknown(other.to_owned()) } } }\n",
    ),
    (
        "src/types/_image.rs",
        "pub struct Image { pub image_id: Option<String>, pub tags: Option<crate::types::Tag>, pub state: \
         crate::types::State }\nimpl Image { pub fn tags(&self) {} }\n#[derive(Default)]\npub struct \
         ImageBuilder { image_id: Option<String>, tags: Option<crate::types::Tag> }\nimpl ImageBuilder { pub fn \
         set_image_id(self, _: Option<String>) -> Self { self } pub fn set_tags(self, _: \
         Option<crate::types::Tag>) -> Self { self } pub fn build(self) -> Image { Image { image_id: \
         self.image_id, tags: self.tags, state: \"\".into() } } }\n",
    ),
];

/// What is left of it for a workspace with this source.
fn trimmed(test: &str, source: &str) -> Files {
    trimmed_of(test, source, |_, text| text.to_owned())
}

/// The same of a crate with other files.
fn trimmed_of(test: &str, source: &str, published: impl Fn(&str, &str) -> String) -> Files {
    let folder = std::env::temp_dir().join(format!("sdk-trim-{test}-{}", std::process::id()));
    let files = PUBLISHED.iter().map(|(file, text)| (*file, published(file, text)));
    let own = [("crates/own.rs", source.to_owned()), ("tests/own.rs", String::new())];
    for (file, text) in files.chain(own) {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let names = Names::of(&folder).unwrap();
    let files = trimmed::files(&Sdk { service: "x".into(), source: folder.clone() }, &names);
    fs::remove_dir_all(folder).unwrap();
    files.unwrap()
}

fn text<'a>(files: &'a Files, file: &str) -> &'a str {
    files.get(Path::new(file)).map_or("", String::as_str)
}

const CALLS: &str = "fn f() { client.describe_images().images[0].image_id; State::Available; }";

#[test]
fn an_operation_that_nothing_calls_is_left_out_with_what_it_needs() {
    let files = trimmed("operation", CALLS);
    assert!(text(&files, "src/client/delete_image.rs").is_empty());
    assert!(!text(&files, "src/client.rs").contains("delete_image"));
    assert!(!text(&files, "src/operation.rs").contains("delete_image"));
    assert!(text(&files, "src/operation.rs").contains("describe_images"));
    // Waiters, documentation, the crate's own tests.
    assert!(!text(&files, "src/client.rs").contains("Waiters"));
    assert!(!text(&files, "src/types.rs").contains("Waited"));
    assert!(!text(&files, "src/lib.rs").contains("Types."));
    assert!(!text(&files, "Cargo.toml").contains("tokio"));
}

#[test]
fn a_member_that_nothing_names_is_not_read() {
    let files = trimmed("member", CALLS);
    for file in ["src/types/_image.rs", "src/protocol_serde/shape_image.rs"] {
        assert!(text(&files, file).contains("image_id"), "{file}");
        assert!(!text(&files, file).contains("tags"), "{file}: {}", text(&files, file));
    }
    assert!(text(&files, "src/types/_tag.rs").is_empty());
    let files = trimmed("named-member", &CALLS.replace("image_id", "tags"));
    assert!(text(&files, "src/protocol_serde/shape_image.rs").contains("set_tags"));
    assert!(!text(&files, "src/types/_tag.rs").is_empty());
}

#[test]
fn an_unnamed_value_is_an_unknown_one() {
    let files = trimmed("value", &format!("{CALLS} fn g() {{ image.state; }}"));
    let state = text(&files, "src/types/_state.rs");
    assert!(state.contains("\"available\" => State::Available") && state.contains("Unknown"));
    assert!(!state.contains("Gone"), "{state}");
}

#[test]
fn an_error_is_kept_if_something_names_it_or_the_sdk_attempts_again() {
    let files = trimmed("error", CALLS);
    let operation = text(&files, "src/operation/describe_images.rs");
    assert!(
        operation.contains("Throttled(u8)") && operation.contains("Unhandled(u8)"),
        "{operation}"
    );
    assert!(!operation.contains("Denied") && !operation.contains("is_denied"), "{operation}");
    let files =
        trimmed("named-error", &format!("{CALLS} fn g() {{ DescribeImagesError::Denied(1); }}"));
    assert!(text(&files, "src/operation/describe_images.rs").contains("is_denied"));
}

#[test]
fn a_structure_that_goes_both_ways_keeps_its_members() {
    let files = trimmed_of("both-ways", CALLS, |file, text| match file {
        "src/protocol_serde/shape_image.rs" => format!("{text}pub fn ser_image() {{}}\n"),
        "src/operation/describe_images.rs" => {
            text.replace("todo!()", "crate::protocol_serde::shape_image::ser_image(); todo!()")
        }
        _ => text.to_owned(),
    });
    assert!(text(&files, "src/types/_image.rs").contains("tags"));
    assert!(text(&files, "src/protocol_serde/shape_image.rs").contains("set_tags"));
}

#[test]
fn a_member_that_nothing_names_is_not_sent() {
    let published = |file: &str, text: &str| {
        match file {
        "src/protocol_serde/shape_image.rs" => "pub fn ser_image(input: &crate::types::Image) { if let \
             Some(id) = &input.image_id { send(id); } if let Some(tag) = &input.tags { send(tag); } }\n"
            .to_owned(),
        "src/operation/describe_images.rs" => text.replace("de_image", "ser_image"),
        _ => text.to_owned(),
    }
    };
    let files = trimmed_of("sent-member", CALLS, published);
    let sends = text(&files, "src/protocol_serde/shape_image.rs");
    assert!(sends.contains("input.image_id") && !sends.contains("input.tags"), "{sends}");
}

#[test]
fn a_type_is_registered_only_if_something_else_needs_it() {
    let published = |file: &str, text: &str| match file {
        "src/operation/describe_images.rs" => format!(
            "{}static REGISTRY: R = new().insert_shape(crate::types::Image::SCHEMA, \
             1).insert_shape(crate::types::Waited::SCHEMA, 2);\n",
            text.replace("todo!()", "REGISTRY.get()")
        ),
        _ => text.to_owned(),
    };
    let files = trimmed_of("registered", CALLS, published);
    let operation = text(&files, "src/operation/describe_images.rs");
    assert!(operation.contains("Image::SCHEMA") && !operation.contains("Waited"), "{operation}");
}
