//! Pattern 1: which parameters are written, how, and the result of a write that does not stick.

use anyhow::{Context, Result, ensure};
use aws_sdk_ssm::types::{Parameter as Described, ParameterType};
use contract::ErrorName;
use contract::report::{Outcome, TargetReport};
use contract::steps::{Versions, WritePhase};
use contract::target::{TAG_PARAMETER_NAME, TAG_STACK_NAME};
use harness::cloud::Called;
use harness::image::Parameter;
use harness::{Ended, Scenario, image, paths};
use serde_json::json;

use crate::support::{control, expect, promotable, promote};

trials![
    a_write_is_told_with_the_value_and_version_before,
    a_data_type_stays_as_it_is,
    what_was_no_image_is_replaced_and_not_told,
    a_list_of_images_stays_as_it_is,
    a_parameter_of_a_stack_is_not_written,
    a_label_on_the_oldest_of_a_hundred_versions_is_named;
    only here, "only a local AWS can be made to wait":
    a_second_writer_is_noticed_and_the_newest_image_stays,
    a_parameter_that_does_not_take_the_image_is_reported,
    a_write_that_another_caller_makes_too_is_looked_at_again,
];

/// How many versions Parameter Store keeps.
const VERSIONS: usize = 100;

async fn a_write_is_told_with_the_value_and_version_before(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let before = parameter.read().await?;
    let target = expect::target(&promote(s, &image).await?, Outcome::Promoted)?;
    let after = parameter.read().await?;
    let write = expect::only(target.writes)?;
    ensure!(write.parameter_name.as_str() == parameter.name, "{write:#?}");
    ensure!(write.before.expose() == before.value && write.after.as_str() == image, "{write:#?}");
    let versions =
        Versions { written: true, previous_version: before.version, version: after.version };
    ensure!(write.phase == WritePhase::Settled(versions), "{write:#?}");
    ensure!(after.version == before.version + 1, "{write:#?}");
    Ok(())
}

async fn a_data_type_stays_as_it_is(s: &Scenario) -> Result<()> {
    let (checked, image) = promotable(s).await?;
    expect::target(&promote(s, &image).await?, Outcome::Promoted)?;
    let found = describe(s, &checked.name).await?;
    ensure!(found.data_type() == Some("aws:ec2:image"), "{found:#?}");
    ensure!(found.value() == Some(image.as_str()), "{found:#?}");

    let text = parameter_of_text(s).await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &text.name)]).await?;
    expect::target(&promote(s, &image).await?, Outcome::Promoted)?;
    let found = describe(s, &text.name).await?;
    ensure!(found.data_type() == Some("text"), "{found:#?}");
    ensure!(found.value() == Some(image.as_str()), "{found:#?}");
    Ok(())
}

async fn what_was_no_image_is_replaced_and_not_told(s: &Scenario) -> Result<()> {
    const SECRET: &str = "hush-7f3c";
    for (value, kind) in
        [(SECRET, "a value that is not an image ID"), ("ami-placeholder", "a placeholder")]
    {
        // Auto Scaling takes no launch template whose parameter is not an image.
        let parameter = parameter_of_text(s).await?;
        put_text(s, &parameter.name, value).await?;
        let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
        let report = expect::report(&promote(s, &image).await?, Outcome::Promoted)?;
        ensure!(parameter.read().await?.value == image, "the parameter is another");
        let told = format!("({kind} -> {image})");
        ensure!(report.summary.contains(&told), "no {told:?} in {:?}", report.summary);
        ensure!(!report.summary.contains(value), "{:?}", report.summary);
    }
    Ok(())
}

/// One image would take the place of several: of a text with a comma, of a `StringList`, of a
/// stack's parameter with a list type, and of what such a one reads.
async fn a_list_of_images_stays_as_it_is(s: &Scenario) -> Result<()> {
    let base = image::base(s.cloud()).await?;
    let two = format!("{base},{base}");
    for kind in [ParameterType::String, ParameterType::StringList] {
        let parameter = s.parameter_to_be();
        let put = s.cloud().ssm.put_parameter().name(&parameter.name).value(&two).r#type(kind);
        put.send().await.called("ssm:PutParameter")?;
        let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
        is_no_place_for_one(s, &image, &parameter.name).await?;
        ensure!(parameter.read().await?.version == 1, "it was written");
    }
    for kind in ["List<AWS::EC2::Image::Id>", "CommaDelimitedList"] {
        let template = paths::fixture("stacks/stack.yaml")?;
        let template = template.replace("Type: AWS::EC2::Image::Id", &format!("Type: {kind}"));
        let template =
            template.replace("ImageId: !Ref ImageId", "ImageId: !Select [0, !Ref ImageId]");
        let stack = s.stack_of(&template, &[("ImageId", &two)], &[]).await?;
        let image = s.image(&[(TAG_STACK_NAME, &stack.name)]).await?;
        is_no_place_for_one(s, &image, kind).await?;
        ensure!(stack.updates().await? == 0, "it was updated");
    }
    Ok(())
}

async fn is_no_place_for_one(s: &Scenario, image: &str, told: &str) -> Result<()> {
    let ended = promote(s, image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterHoldsList)?;
    ensure!(message.contains(told), "{message}");
    Ok(())
}

/// hashicorp/terraform-provider-aws#1082: the creation and the deletion of a claim, and the write of
/// the value itself, may each meet another caller; the message is empty.
async fn a_write_that_another_caller_makes_too_is_looked_at_again(s: &Scenario) -> Result<()> {
    for (action, value) in
        [("PutParameter", false), ("PutParameter", true), ("DeleteParameter", false)]
    {
        let (parameter, image) = promotable(s).await?;
        let fault = json!({
            "service": "ssm",
            "action": action,
            "caller": "PromoteSsm",
            "match": if value { &image } else { "driftless-claims" },
            "kind": "error",
            "code": "TooManyUpdates",
            "message": "",
        });
        let fault = control(s)?.add_fault(&fault).await?;
        let ended = promote(s, &image).await?;
        expect::target(&ended, Outcome::Promoted)?;
        ensure!(control(s)?.remove_fault(fault).await? == 1, "{action} was not refused");
        ensure!(parameter.read().await?.value == image, "the parameter is another");
    }
    Ok(())
}

async fn a_parameter_of_a_stack_is_not_written(s: &Scenario) -> Result<()> {
    const TEMPLATE: &str = "
Parameters:
  Name: {Type: String}
  ImageId: {Type: AWS::EC2::Image::Id}
Resources:
  GoldenImage:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Ref Name, Value: !Ref ImageId}
";
    let (name, base) = (s.driftless.parameter_name(), image::base(s.cloud()).await?);
    let parameters = [("Name", name.as_str()), ("ImageId", &base)];
    let stack = s.stack_of(TEMPLATE, &parameters, &[]).await?;
    let parameter = Parameter::by_name(s.cloud(), &name);
    let before = parameter.read().await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &name)]).await?;
    let ended = promote(s, &image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterOwnedByStack)?;
    expect::mentions(message, [name.as_str(), "GoldenImage", &stack.name])?;
    ensure!(parameter.read().await? == before, "it was written");
    expect::in_sync(&stack).await
}

pub async fn a_label_on_the_oldest_of_a_hundred_versions_is_named(s: &Scenario) -> Result<()> {
    // Type String, because Parameter Store validates values of the other data type.
    let parameter = parameter_of_text(s).await?;
    let label = s.cloud().ssm.label_parameter_version().name(&parameter.name).labels("known-good");
    label.parameter_version(1).send().await.called("ssm:LabelParameterVersion")?;
    let base = parameter.read().await?.value;
    for _ in 1..VERSIONS {
        put_text(s, &parameter.name, &base).await?;
    }
    let before = parameter.read().await?;
    let image = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let ended = promote(s, &image).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterVersionsFull)?;
    expect::mentions(message, [parameter.name.as_str(), "version 1,", "known-good"])?;
    ensure!(parameter.read().await? == before, "it was written");
    Ok(())
}

async fn a_second_writer_is_noticed_and_the_newest_image_stays(s: &Scenario) -> Result<()> {
    let parameter = s.parameter_with_group(&image::base(s.cloud()).await?).await?;
    let theirs = s.image(&[]).await?;
    let newest = s.image(&[(TAG_PARAMETER_NAME, &parameter.name)]).await?;
    let ended = during_the_write(s, &newest, parameter.write(&theirs)).await?;
    ensure!(ended.status == "SUCCEEDED", "{:?}", ended.cause);
    ensure!(expect::attempts(&ended, ErrorName::ConcurrentWrite) > 0, "{:#?}", ended.transcript);
    let after = parameter.read().await?;
    ensure!(after.value == newest, "{} is in place, not {newest}", after.value);
    Ok(())
}

async fn a_parameter_that_does_not_take_the_image_is_reported(s: &Scenario) -> Result<()> {
    let (parameter, image) = promotable(s).await?;
    let before = parameter.read().await?;
    // Parameter Store responds first, and validates the image afterwards, which fails.
    let gone = async {
        let gone = s.cloud().ec2.deregister_image().image_id(&image).send().await;
        gone.called("ec2:DeregisterImage").map(drop)
    };
    let ended = during_the_write(s, &image, gone).await?;
    let target = expect::target(&ended, Outcome::Failed)?;
    let message = expect::error(&ended, &target, ErrorName::ParameterNotUpdated)?;
    expect::mentions(message, [&parameter.name, &image])?;
    ensure!(parameter.read().await? == before, "it was written");
    was_written_once(&target)
}

/// The only write that was made, although its value is not visible.
fn was_written_once(target: &TargetReport) -> Result<()> {
    let [write] = target.writes.as_slice() else { anyhow::bail!("not one write: {target:#?}") };
    let WritePhase::Running(versions) = write.phase else { anyhow::bail!("{write:#?}") };
    ensure!(versions.written && versions.version == versions.previous_version, "{write:#?}");
    Ok(())
}

/// Promotes an image, and does something between the decision for it and its write.
async fn during_the_write(
    s: &Scenario,
    image: &str,
    meanwhile: impl Future<Output = Result<()>>,
) -> Result<Ended> {
    // Of the two that write it now, the one that puts this.
    let write = s.hold_calls(("ssm", "PutParameter"), image).await?;
    let execution = s.driftless.start(&json!({"imageId": image})).await?;
    write.caught().await?;
    meanwhile.await?;
    write.release().await?;
    execution.ended().await
}

/// A parameter whose values are not compared.
async fn parameter_of_text(s: &Scenario) -> Result<Parameter> {
    let parameter = s.parameter_to_be();
    put_text(s, &parameter.name, &image::base(s.cloud()).await?).await?;
    s.group_that_reads(&parameter).await?;
    Ok(parameter)
}

async fn put_text(s: &Scenario, name: &str, value: &str) -> Result<()> {
    let put = s.cloud().ssm.put_parameter().name(name).value(value).r#type(ParameterType::String);
    put.overwrite(true).send().await.called("ssm:PutParameter").map(drop)
}

async fn describe(s: &Scenario, name: &str) -> Result<Described> {
    let answer = s.cloud().ssm.get_parameter().name(name).send().await;
    answer.called("ssm:GetParameter")?.parameter.context("GetParameter gave nothing")
}
