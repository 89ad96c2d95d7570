//! The decisions of guard-images, without I/O: which tags tell who needs an image, and what to change
//! about one image.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;

use aws_sdk_ec2::types::Image;
use contract::ids::ImageId;
use contract::steps::{Guard, Scope};
use fnv::FnvHasher;
use step::truncated;

/// The tag of an image whose protection Driftless enabled. Another's protection does not have it.
pub(crate) const MARK: (&str, &str) = ("driftless:protected", "true");
/// The beginning of the tags of the image parameters that hold an image.
const HOLDER: &str = "driftless:in-place:";
/// The longest value of a tag is 256 characters (EC2 user guide, "Tag restrictions"); a truncated
/// one has a few more.
const MAX_VALUE_CHARS: usize = 200;

/// An image parameter of the target, by its tag, and the image that it holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The tag's key.
    pub key: String,
    /// The tag's value, for people: what the key stands for.
    value: String,
    /// The image.
    image: ImageId,
}

/// The holders of the target's images.
#[must_use]
pub(crate) fn holders(guard: &Guard) -> Vec<Holder> {
    let held = guard.images.iter().map(|held| {
        let target = match &guard.scope {
            Scope::Parameter(name) => name.to_string(),
            Scope::Stack(name) => format!("stack {name}, {}", held.parameter),
        };
        let key = format!("{HOLDER}{:016x}", hash(&target));
        let value = truncated(target, MAX_VALUE_CHARS);
        Holder { key, value, image: held.image.clone() }
    });
    held.collect()
}

/// The same in every process. (A key has 128 characters at most, a parameter's name 1,011.)
fn hash(text: &str) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// Whether one of the holders has this image.
#[must_use]
pub(crate) fn is_held(id: &ImageId, holders: &[Holder]) -> bool {
    holders.iter().any(|holder| holder.image == *id)
}

/// What to change about one image, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// The tags to add. They come before the protection, so that none is ever without its mark.
    pub add: BTreeMap<String, String>,
    /// Whether to enable or to disable the protection.
    pub switch: Option<Switch>,
    /// The tags to remove. They go after the protection.
    pub remove: BTreeSet<String>,
    /// Whether another holder keeps the image protected. It may let go at the same moment, so the
    /// image must be looked at once more.
    pub is_shared: bool,
}

/// A change of the protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Enable,
    Disable,
}

/// What to change about this image. An image that a parameter holds is protected, whoever enabled
/// that. An image that none holds any more loses the protection that Driftless enabled.
#[must_use]
pub(crate) fn change(image: &Image, holders: &[Holder]) -> Change {
    let tags: BTreeSet<&str> = image.tags().iter().filter_map(|tag| tag.key()).collect();
    let is_marked = tags.contains(MARK.0);
    // "disabled after …" is the end of a cool-down, which no longer protects for long.
    let is_protected =
        image.deregistration_protection().is_some_and(|status| status.starts_with("enabled"));
    let (holding, others): (Vec<_>, Vec<_>) =
        holders.iter().partition(|holder| image.image_id() == Some(holder.image.as_str()));
    let others = others.into_iter().filter(|holder| tags.contains(holder.key.as_str()));
    let mut remove: BTreeSet<_> = others.map(|holder| holder.key.clone()).collect();
    if !holding.is_empty() {
        let missing = holding.iter().filter(|holder| !tags.contains(holder.key.as_str()));
        let mut add: BTreeMap<_, _> =
            missing.map(|holder| (holder.key.clone(), holder.value.clone())).collect();
        if !is_protected && !is_marked {
            add.insert(MARK.0.to_owned(), MARK.1.to_owned());
        }
        let switch = (!is_protected).then_some(Switch::Enable);
        return Change { add, switch, remove, is_shared: false };
    }
    if tags.iter().any(|key| key.starts_with(HOLDER) && !remove.contains(*key)) {
        let is_shared = !remove.is_empty();
        return Change { remove, is_shared, ..Change::default() };
    }
    if is_marked {
        remove.insert(MARK.0.to_owned());
    }
    let switch = (is_marked && is_protected).then_some(Switch::Disable);
    Change { switch, remove, ..Change::default() }
}
