//! Where an image comes from: being able to tag an instance must not be enough to overwrite a
//! target.

use anyhow::{Context, Result, ensure};
use aws_sdk_ec2::types::InstanceType;
use aws_sdk_ssm::types::ParameterType;
use contract::ErrorName;
use contract::report::{Outcome, TargetReport};
use contract::steps::{Provenance, ProvenanceVerdict};
use contract::target::{TAG_PARAMETER_KEY, TAG_PARAMETER_NAME, TAG_STACK_NAME};
use futures_util::future::try_join;
use harness::cloud::Called;
use harness::group::Instance;
use harness::scenario::AutoHealingStack;
use harness::{Scenario, image, naive};

use crate::support::deployed::choosy;
use crate::support::{expect, promote};

trials![
    an_image_of_the_groups_own_instance_is_verified,
    an_image_of_no_known_instance_passes_and_is_told,
    an_image_whose_instance_is_gone_passes_and_is_told,
    another_groups_image_does_not_get_into_a_parameter,
    another_groups_image_does_not_get_into_a_stack,
    an_image_of_an_instance_outside_of_any_group_is_not_permitted,
    a_strangers_newer_image_does_not_keep_an_older_one_out,
    a_launch_template_that_does_not_read_the_parameter_any_more_is_found,
    what_holds_a_secret_is_not_overwritten;
    only here, "it needs a Driftless that was deployed with other parameters":
    where_it_has_to_be_known_an_image_of_unknown_origin_is_not_permitted,
];

async fn an_image_of_the_groups_own_instance_is_verified(s: &Scenario) -> Result<()> {
    let ((_, by_parameter), by_stack) = try_join(s.parameter_pattern(), s.stack_pattern()).await?;
    for healing in [by_parameter, by_stack] {
        let backup = s.backup(&healing.instance).await?;
        let ended = s.driftless.send(&backup.event()).await?.ended().await?;
        let provenance = provenance(expect::target(&ended, Outcome::Promoted)?)?;
        ensure!(provenance.verdict == ProvenanceVerdict::Verified, "{provenance:?}");
        ensure!(provenance.reason.is_none(), "{provenance:?}");
    }
    Ok(())
}

async fn an_image_of_no_known_instance_passes_and_is_told(s: &Scenario) -> Result<()> {
    let parameter = s.parameter_with_group(&image::base(s.cloud()).await?).await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let ended = promote(s, &image).await?;
    is_unverified(expect::target(&ended, Outcome::Promoted)?, "EC2 reports no source instance")?;
    ensure!(parameter.read().await?.value == image, "the parameter is another");
    Ok(())
}

async fn an_image_whose_instance_is_gone_passes_and_is_told(s: &Scenario) -> Result<()> {
    let (_, healing) = s.parameter_pattern().await?;
    let backup = s.backup(&healing.instance).await?;
    healing.group.heal().await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;
    let target = expect::target(&ended, Outcome::Promoted)?;
    expect::promoted(&target, &healing, &backup.image)?;
    is_unverified(target, &format!("instance {} is gone", healing.instance.id))
}

async fn another_groups_image_does_not_get_into_a_parameter(s: &Scenario) -> Result<()> {
    let ((other, stranger), (parameter, healing)) =
        try_join(s.parameter_pattern(), s.parameter_pattern()).await?;
    let before = parameter.read().await?;
    let image = stolen(s, &stranger, (TAG_PARAMETER_NAME, &parameter.name)).await?;
    let message = is_not_permitted(s, &image, &parameter.name).await?;
    let (group, reads) = (&stranger.group.name, &other.name);
    let said = format!("group {group}, whose launch template boots resolve:ssm:{reads}");
    let expected = format!("not a group that boots from {}", parameter.name);
    expect::mentions(&message, [&said, &expected])?;
    ensure!(parameter.read().await? == before, "it was written");
    expect::heals_into(&healing, &healing.base).await
}

async fn another_groups_image_does_not_get_into_a_stack(s: &Scenario) -> Result<()> {
    let (stranger, healing) = try_join(s.stack_pattern(), s.stack_pattern()).await?;
    let image = stolen(s, &stranger, (TAG_STACK_NAME, &healing.stack.name)).await?;
    let message = is_not_permitted(s, &image, &healing.stack.name).await?;
    let said = format!("group {} of stack {}", stranger.group.name, stranger.stack.name);
    let expected = format!("not a group of stack {}", healing.stack.name);
    expect::mentions(&message, [&said, &expected])?;
    ensure!(healing.stack.updates().await? == 0, "it was updated");
    Ok(())
}

async fn an_image_of_an_instance_outside_of_any_group_is_not_permitted(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let parameter = s.parameter(&base).await?;
    let before = parameter.read().await?;
    let run = s.cloud().ec2.run_instances().image_id(&base).instance_type(InstanceType::T3Micro);
    let run = run.min_count(1).max_count(1).send().await.called("ec2:RunInstances")?;
    let id = run.instances().first().and_then(|instance| instance.instance_id());
    let loner = Instance { id: id.context("no instance")?.to_owned(), image: base };
    let tried = async {
        let image = s.backup_with(&loner, &[(TAG_PARAMETER_NAME, &parameter.name)]).await?.image;
        is_not_permitted(s, &image, &parameter.name).await
    }
    .await;
    let gone = s.cloud().ec2.terminate_instances().instance_ids(&loner.id).send().await;
    gone.called("ec2:TerminateInstances")?;
    let (message, said) = (tried?, format!("{}, which is in no group", loner.id));
    ensure!(message.contains(&said), "no {said:?} in {message:?}");
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_strangers_newer_image_does_not_keep_an_older_one_out(s: &Scenario) -> Result<()> {
    let ((_, stranger), (parameter, healing)) =
        try_join(s.parameter_pattern(), s.parameter_pattern()).await?;
    let backup = s.backup(&healing.instance).await?;
    let image = stolen(s, &stranger, (TAG_PARAMETER_NAME, &parameter.name)).await?;
    let ended = s.driftless.send(&backup.event()).await?.ended().await?;

    let report = expect::report(&ended, Outcome::Promoted)?;
    let because = format!("not a newer image because {image}: provenance is group");
    ensure!(report.summary.contains(&because), "no {because:?} in {:?}", report.summary);
    let target = expect::only(report.targets)?;
    expect::promoted(&target, &healing, &backup.image)?;
    let rejected = expect::only(expect::only(target.images)?.rejected.rows)?;
    ensure!(rejected.image_id.as_str() == image, "{rejected:#?}");
    ensure!(expect::only(rejected.failed)?.check == "provenance", "another check failed");
    expect::heals_into(&healing, &backup.image).await
}

async fn a_launch_template_that_does_not_read_the_parameter_any_more_is_found(
    s: &Scenario,
) -> Result<()> {
    let (parameter, healing) = s.parameter_pattern().await?;
    let before = parameter.read().await?;
    let by_hand = s.image(&[]).await?;
    naive::promote(s.cloud(), &healing.group, &by_hand).await?;
    let backup = s.backup(&healing.instance).await?;
    let message = is_not_permitted(s, &backup.image, &parameter.name).await?;
    let said = format!("whose launch template boots {by_hand}");
    ensure!(message.contains(&said), "no {said:?} in {message:?}");
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn where_it_has_to_be_known_an_image_of_unknown_origin_is_not_permitted(
    s: &Scenario,
) -> Result<()> {
    let s = &choosy(s).await?;
    let parameter = s.parameter(&image::base(s.cloud()).await?).await?;
    let before = parameter.read().await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let message = is_not_permitted(s, &image, &parameter.name).await?;
    let said = "provenance is unverified (EC2 reports no source instance)";
    ensure!(message.contains(said), "no {said:?} in {message:?}");
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn what_holds_a_secret_is_not_overwritten(s: &Scenario) -> Result<()> {
    const TEMPLATE: &str = "
Parameters:
  Password: {Type: String, NoEcho: true}
Resources:
  Nothing: {Type: AWS::CloudFormation::WaitConditionHandle}
";
    let parameter = s.parameter_to_be();
    let put = s.cloud().ssm.put_parameter().name(&parameter.name).value("hush");
    let put = put.r#type(ParameterType::SecureString).send().await;
    put.called("ssm:PutParameter")?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let message = is_refused(s, &image, &parameter.name).await?;
    ensure!(message.contains("SecureString"), "{message}");
    ensure!(parameter.read().await?.version == 1, "it was written");

    let stack = s.stack_of(TEMPLATE, &[("Password", "hush")], &[]).await?;
    let tags = [(TAG_STACK_NAME, stack.name.as_str()), (TAG_PARAMETER_KEY, "Password")];
    let image = s.image(&tags).await?;
    let message = is_refused(s, &image, &stack.name).await?;
    ensure!(message.contains("Password") && message.contains("NoEcho"), "{message}");
    ensure!(stack.updates().await? == 0, "it was updated");
    Ok(())
}

/// An image of this group's instance whose tag names another target.
async fn stolen(s: &Scenario, from: &AutoHealingStack, tag: (&str, &str)) -> Result<String> {
    Ok(s.backup_with(&from.instance, &[tag]).await?.image)
}

/// The message when this image is rejected because of its provenance.
async fn is_not_permitted(s: &Scenario, image: &str, name: &str) -> Result<String> {
    let message = is_refused(s, image, name).await?;
    ensure!(message.contains(image), "no {image} in {message:?}");
    Ok(message)
}

/// The message when this image is rejected for this target.
async fn is_refused(s: &Scenario, image: &str, name: &str) -> Result<String> {
    let ended = promote(s, image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    ensure!(target.name == name, "{target:#?}");
    let message = expect::error(&ended, &target, ErrorName::TargetNotPermitted)?;
    for write in ["PromoteSsm", "UpdateStack"] {
        ensure!(expect::times(&ended, write) == 0, "{:#?}", ended.transcript);
    }
    Ok(message.to_owned())
}

fn provenance(target: TargetReport) -> Result<Provenance> {
    Ok(expect::only(target.images)?.provenance)
}

fn is_unverified(target: TargetReport, reason: &str) -> Result<()> {
    let provenance = provenance(target)?;
    ensure!(provenance.verdict == ProvenanceVerdict::Unverified, "{provenance:?}");
    ensure!(provenance.reason.as_deref() == Some(reason), "{provenance:?}");
    Ok(())
}
