//! The environment of one test: unique names, and on AWS the removal of everything that the test
//! has created, however it ends. A local AWS is discarded as a whole.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use aws_sdk_ec2::types::Image;
use futures_util::FutureExt;

use crate::cloud::{Called, Cloud};
use crate::group::{Group, Instance};
use crate::hold::{Hold, Open, What};
use crate::image::{self, Parameter};
use crate::stack::Request;
use crate::{Backup, Driftless, Stack, reader, unique};

/// The environment of a test.
#[derive(Debug)]
pub struct Scenario {
    /// The Driftless under test.
    pub driftless: Driftless,
    made: Mutex<Vec<Made>>,
    holds: Open,
}

#[derive(Debug)]
enum Made {
    Stack(Stack),
    Parameter(Parameter),
    Reader(String),
    Image(String),
}

/// A stack with one Auto Healing group that boots from `base`.
#[derive(Debug)]
pub struct AutoHealingStack {
    /// The stack.
    pub stack: Stack,
    /// Its group.
    pub group: Group,
    /// The instance in service.
    pub instance: Instance,
    /// The image that it booted.
    pub base: String,
}

/// Runs a test against this Driftless, which other tests may use at the same time.
///
/// # Errors
/// The test's own.
pub async fn run(
    driftless: &Driftless,
    test: impl AsyncFnOnce(&Scenario) -> Result<()>,
) -> Result<()> {
    let scenario = Scenario {
        driftless: driftless.reconnected(),
        made: Mutex::default(),
        holds: Open::default(),
    };
    // Clean up after a failed assertion too.
    let result = AssertUnwindSafe(test(&scenario)).catch_unwind().await;
    scenario.holds.release().await;
    if !scenario.cloud().is_local() {
        scenario.clean_up().await;
    }
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

impl Scenario {
    /// The same test against another Driftless in the same local AWS.
    #[must_use]
    pub fn against(&self, driftless: &Driftless) -> Self {
        // Resources in a local AWS need no removal.
        let holds = self.holds.clone();
        Self { driftless: driftless.reconnected(), made: Mutex::default(), holds }
    }

    /// The same test against a Driftless with these template parameters, in an account of its own
    /// of the same local AWS.
    pub async fn alone(&self, parameters: &[(&str, &str)]) -> Result<Self> {
        Ok(self.against(&self.driftless.alone(parameters).await?))
    }

    /// The same in this account.
    pub async fn alone_in(&self, cloud: &Cloud, parameters: &[(&str, &str)]) -> Result<Self> {
        Ok(self.against(&Driftless::alone_in(cloud, parameters).await?))
    }

    /// The cloud that the test runs in.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        self.driftless.cloud()
    }

    /// Keeps the operations on this resource of a local AWS in progress until the hold is released:
    /// those that are running, and those that start later.
    pub async fn hold(&self, what: What, resource: &str) -> Result<Hold> {
        Hold::resource(self.cloud(), &self.holds, what, resource).await
    }

    /// Keeps calls to a local AWS, `(service, action)` whose request contains `matches`, from
    /// taking effect until the hold is released.
    pub async fn hold_calls(&self, call: (&str, &str), matches: &str) -> Result<Hold> {
        Hold::calls(self.cloud(), &self.holds, call, matches).await
    }

    /// Creates an SSM parameter that Driftless may write, with this image.
    pub async fn parameter(&self, image: &str) -> Result<Parameter> {
        self.parameter_called(&self.driftless.parameter_name(), image).await
    }

    /// An SSM parameter that Driftless may write, with this image in it, and a group without an
    /// instance that boots from it.
    pub async fn parameter_with_group(&self, image: &str) -> Result<Parameter> {
        let parameter = self.parameter(image).await?;
        self.group_that_reads(&parameter).await?;
        Ok(parameter)
    }

    /// A group without an instance that boots from this parameter.
    pub async fn group_that_reads(&self, parameter: &Parameter) -> Result<()> {
        let name = unique("reader");
        self.note(Made::Reader(name.clone()));
        reader::create(self.cloud(), &name, &parameter.name).await
    }

    /// An SSM parameter of this name, with this image in it.
    pub async fn parameter_called(&self, name: &str, image: &str) -> Result<Parameter> {
        let parameter = Parameter::by_name(self.cloud(), name);
        self.note(Made::Parameter(parameter.clone()));
        parameter.write(image).await?;
        Ok(parameter)
    }

    /// An SSM parameter that Driftless may write, and that the test creates itself.
    #[must_use]
    pub fn parameter_to_be(&self) -> Parameter {
        let parameter = Parameter::by_name(self.cloud(), &self.driftless.parameter_name());
        self.note(Made::Parameter(parameter.clone()));
        parameter
    }

    /// Creates a stack that Driftless may update, from a fixture.
    pub async fn stack(&self, fixture: &str, parameters: &[(&str, &str)]) -> Result<Stack> {
        self.stack_called(&self.driftless.stack_name(), fixture, parameters).await
    }

    /// Creates a stack that Driftless may update, from this template.
    pub async fn stack_of(
        &self,
        template: &str,
        parameters: &[(&str, &str)],
        capabilities: &[&str],
    ) -> Result<Stack> {
        let Stack { name, .. } = self.stack_to_be();
        let request = Request { name: &name, template, parameters, capabilities };
        Stack::deploy(self.cloud(), &request).await
    }

    /// A stack that Driftless may update, and that the test creates itself.
    #[must_use]
    pub fn stack_to_be(&self) -> Stack {
        let stack = Stack::by_name(self.cloud(), &self.driftless.stack_name());
        self.note(Made::Stack(stack.clone()));
        stack
    }

    /// Creates a stack with this name, from a fixture.
    pub async fn stack_called(
        &self,
        name: &str,
        fixture: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Stack> {
        self.note(Made::Stack(Stack::by_name(self.cloud(), name)));
        Stack::create(self.cloud(), name, fixture, parameters).await
    }

    /// Pattern 1, up and running.
    pub async fn parameter_pattern(&self) -> Result<(Parameter, AutoHealingStack)> {
        self.parameter_pattern_from("parameter").await
    }

    /// Pattern 1 from another fixture.
    pub async fn parameter_pattern_from(
        &self,
        fixture: &str,
    ) -> Result<(Parameter, AutoHealingStack)> {
        let base = image::base(self.cloud()).await?;
        let parameter = self.parameter(&base).await?;
        let stack = self.stack(fixture, &[("ImageIdParameterName", &parameter.name)]).await?;
        Ok((parameter, AutoHealingStack::of(stack, base).await?))
    }

    /// Pattern 2, up and running.
    pub async fn stack_pattern(&self) -> Result<AutoHealingStack> {
        self.stack_pattern_from("stack").await
    }

    /// Pattern 2 from another fixture whose parameter is `ImageId` and whose group is `Group`.
    pub async fn stack_pattern_from(&self, fixture: &str) -> Result<AutoHealingStack> {
        let base = image::base(self.cloud()).await?;
        let stack = self.stack(fixture, &[("ImageId", &base)]).await?;
        AutoHealingStack::of(stack, base).await
    }

    /// An image with these tags that is not a backup of an instance.
    pub async fn image(&self, tags: &[(&str, &str)]) -> Result<String> {
        let image = image::copy_of_base(self.cloud(), tags).await?;
        self.note(Made::Image(image.clone()));
        image::available(self.cloud(), &image).await?;
        Ok(image)
    }

    /// A backup of an instance.
    pub async fn backup(&self, instance: &Instance) -> Result<Backup> {
        let backup = Backup::take(self.cloud(), &instance.id).await?;
        self.note(Made::Image(backup.image.clone()));
        Ok(backup)
    }

    /// A backup with these tags too.
    pub async fn backup_with(&self, instance: &Instance, tags: &[(&str, &str)]) -> Result<Backup> {
        let backup = Backup::take_with(self.cloud(), &instance.id, tags).await?;
        self.note(Made::Image(backup.image.clone()));
        Ok(backup)
    }

    fn note(&self, made: Made) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    /// Removes everything that was created, newest first. A test that failed half-way may not have
    /// created all of it, so a failed removal is printed and does not change the test's result.
    async fn clean_up(&self) {
        let mut made =
            std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        while let Some(one) = made.pop() {
            let removed = match &one {
                Made::Stack(stack) => stack.delete().await,
                Made::Parameter(parameter) => parameter.delete().await,
                Made::Reader(name) => reader::delete(self.cloud(), name).await,
                Made::Image(id) => remove_image(self.cloud(), id).await,
            };
            if let Err(error) = removed {
                eprintln!("not removed: {one:?}: {error:#}");
            }
        }
    }
}

impl AutoHealingStack {
    /// Waits until the stack's group, `Group`, has an instance in service.
    pub async fn of(stack: Stack, base: String) -> Result<Self> {
        let group = stack.group().await?;
        let instance = group.instance().await?;
        Ok(Self { stack, group, instance, base })
    }
}

/// Deregisters an image and deletes its snapshots, which cost money.
async fn remove_image(cloud: &Cloud, id: &str) -> Result<()> {
    let Image { block_device_mappings, .. } = image::describe(cloud, id).await?;
    let gone = cloud.ec2.deregister_image().image_id(id).send().await;
    gone.called("ec2:DeregisterImage")?;
    for snapshot in block_device_mappings
        .unwrap_or_default()
        .into_iter()
        .filter_map(|device| device.ebs.and_then(|ebs| ebs.snapshot_id))
    {
        let gone = cloud.ec2.delete_snapshot().snapshot_id(snapshot).send().await;
        gone.called("ec2:DeleteSnapshot")?;
    }
    Ok(())
}
