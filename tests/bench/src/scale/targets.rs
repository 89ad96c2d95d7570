//! The targets: parameters, each with a group that boots from it, and stacks with a group each.

use anyhow::Result;
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use futures_util::{StreamExt, TryStreamExt, stream};
use harness::driftless::Prefixes;
use harness::image::{self, Parameter};
use harness::{Cloud, Stack, reader, unique};

/// Every third target is a stack.
const STACK_EVERY: usize = 3;
/// How many are made at once.
const AT_ONCE: usize = 8;

/// Makes targets with an image each that is newer than the one in place.
pub(super) async fn make(cloud: &Cloud, prefixes: Prefixes<'_>, count: usize) -> Result<()> {
    let base = &image::base(cloud).await?;
    let making = (0..count).map(async |n| {
        let (tag, name) = if n % STACK_EVERY == 0 {
            let name = unique(&format!("{}web", prefixes.stack));
            Stack::create(cloud, &name, "stack", &[("ImageId", base)]).await?;
            (TAG_STACK_NAME, name)
        } else {
            let name = unique(&format!("{}web", prefixes.parameter));
            Parameter::by_name(cloud, &name).write(base).await?;
            reader::create(cloud, &unique("reader"), &name).await?;
            (TAG_PARAMETER_NAME, name)
        };
        let image = image::copy(cloud, base, &[(tag, name.as_str())]).await?;
        image::available(cloud, &image).await?;
        anyhow::Ok(())
    });
    stream::iter(making).buffered(AT_ONCE).try_collect().await
}
