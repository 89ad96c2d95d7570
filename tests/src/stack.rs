//! Stacks: creates and updates them, and detects their drift.

use anyhow::{Context, Result, ensure};
use aws_sdk_cloudformation::types::{
    Capability, Parameter, ResourceStatus, Stack as Description, StackDriftDetectionStatus,
    StackEvent, StackResourceDriftStatus,
};

use crate::cloud::{Called, Cloud};
use crate::{paths, wait};

/// One stack.
#[derive(Debug, Clone)]
pub struct Stack {
    pub(crate) cloud: Cloud,
    /// Its name.
    pub name: String,
}

/// What to deploy.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The stack's name.
    pub name: &'a str,
    /// The template's text.
    pub template: &'a str,
    /// Parameter values by key.
    pub parameters: &'a [(&'a str, &'a str)],
    /// The capabilities that the template needs.
    pub capabilities: &'a [&'a str],
}

/// A stack's drift as CloudFormation reports it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// `IN_SYNC`, `DRIFTED`, …
    pub status: String,
    /// The number of compared resources: without any, `IN_SYNC` proves nothing.
    pub resources_checked: usize,
    /// Every property that differs from the template.
    pub differences: Vec<Difference>,
}

/// One property that differs from the template.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The resource's name in the template.
    pub logical_id: String,
    /// The property's JSON pointer.
    pub path: String,
    /// The value in the template.
    pub expected: String,
    /// The actual value.
    pub actual: String,
}

impl Stack {
    /// A stack by its name, whether or not it exists.
    #[must_use]
    pub fn by_name(cloud: &Cloud, name: &str) -> Self {
        Self { cloud: cloud.clone(), name: name.to_owned() }
    }

    /// Creates a stack from a fixture or a template to copy, and waits until it is complete.
    ///
    /// # Errors
    /// It did not become complete; the error has the first failing resource and its reason.
    pub async fn create(
        cloud: &Cloud,
        name: &str,
        fixture: &str,
        parameters: &[(&str, &str)],
    ) -> Result<Self> {
        let template = paths::fixture(&format!("stacks/{fixture}.yaml"))?;
        let request = Request { name, template: &template, parameters, capabilities: &[] };
        Self::deploy(cloud, &request).await
    }

    /// Creates the stack, or updates the one of this name, and waits until it is complete.
    ///
    /// # Errors
    /// It did not become complete; the error has the first failing resource and its reason.
    pub async fn deploy(cloud: &Cloud, request: &Request<'_>) -> Result<Self> {
        let stack = Self::by_name(cloud, request.name);
        let capabilities = request.capabilities.iter().map(|name| Capability::from(*name));
        let capabilities: Vec<_> = capabilities.collect();
        if stack.describe().await.is_ok() {
            stack.settled().await?;
            let update = cloud.cloudformation.update_stack().stack_name(request.name);
            let update = update.template_body(request.template);
            let update = update.set_capabilities(Some(capabilities));
            let update = update.set_parameters(Some(pairs(request.parameters)));
            match update.send().await.called("cloudformation:UpdateStack") {
                Err(error) if error.to_string().contains("No updates are to be performed") => {
                    return Ok(stack);
                }
                answer => answer.map(drop)?,
            }
        } else {
            let create = cloud.cloudformation.create_stack().stack_name(request.name);
            let create = create.template_body(request.template);
            let create = create.set_capabilities(Some(capabilities));
            let create = create.set_parameters(Some(pairs(request.parameters)));
            create.send().await.called("cloudformation:CreateStack")?;
        }
        let status = stack.settled().await?;
        if !matches!(status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE") {
            let reason = stack.first_failure().await?;
            anyhow::bail!("the stack {} ended in {status}: {reason}", request.name);
        }
        Ok(stack)
    }

    /// Starts an update that changes these parameters and nothing else.
    pub async fn start_update(&self, parameters: &[(&str, &str)]) -> Result<()> {
        let update = self.cloud.cloudformation.update_stack().stack_name(&self.name);
        let changed = pairs(parameters);
        let mut all: Vec<Parameter> = Vec::new();
        for kept in self.describe().await?.parameters.unwrap_or_default() {
            let key = kept.parameter_key.unwrap_or_default();
            if !parameters.iter().any(|(changed, _)| *changed == key) {
                all.push(Parameter::builder().parameter_key(key).use_previous_value(true).build());
            }
        }
        all.extend(changed);
        let update = update.use_previous_template(true).set_parameters(Some(all));
        update.send().await.called("cloudformation:UpdateStack").map(drop)
    }

    /// Waits until no operation is in progress, and returns the status.
    pub async fn settled(&self) -> Result<String> {
        let what = format!("the stack {} to settle", self.name);
        wait::until(&self.cloud, wait::STACK, &what, async || {
            let status = self.status().await?;
            Ok((!status.ends_with("_IN_PROGRESS")).then_some(status))
        })
        .await
    }

    /// Waits until an update has begun.
    pub async fn is_updating(&self) -> Result<()> {
        let what = format!("an update of {}", self.name);
        wait::until(&self.cloud, wait::EXECUTION, &what, async || {
            Ok((self.status().await? == "UPDATE_IN_PROGRESS").then_some(()))
        })
        .await
    }

    /// Its current status.
    pub async fn status(&self) -> Result<String> {
        let status = self.describe().await?.stack_status;
        Ok(status.context("the stack has no status")?.to_string())
    }

    /// The value of one of its parameters.
    pub async fn parameter(&self, key: &str) -> Result<String> {
        let parameters = self.describe().await?.parameters.unwrap_or_default();
        let found = parameters.into_iter().find(|p| p.parameter_key.as_deref() == Some(key));
        found
            .and_then(|parameter| parameter.parameter_value)
            .with_context(|| format!("the stack {} has no parameter {key}", self.name))
    }

    /// Its outputs.
    pub async fn outputs(&self) -> Result<Vec<(String, String)>> {
        let outputs = self.describe().await?.outputs.unwrap_or_default();
        Ok(outputs.into_iter().filter_map(|o| Some((o.output_key?, o.output_value?))).collect())
    }

    /// Its description from CloudFormation.
    pub async fn describe(&self) -> Result<Description> {
        let answer = self.cloud.cloudformation.describe_stacks().stack_name(&self.name);
        let stacks = answer.send().await.called("cloudformation:DescribeStacks")?.stacks;
        stacks
            .and_then(|stacks| stacks.into_iter().next())
            .with_context(|| format!("no stack {}", self.name))
    }

    /// The physical id of a resource.
    pub async fn resource(&self, logical_id: &str) -> Result<String> {
        let request = self.cloud.cloudformation.describe_stack_resource().stack_name(&self.name);
        let answer = request.logical_resource_id(logical_id).send().await;
        answer
            .called("cloudformation:DescribeStackResource")?
            .stack_resource_detail
            .and_then(|resource| resource.physical_resource_id)
            .with_context(|| format!("{logical_id} of {} has no physical id", self.name))
    }

    /// The logical ids of the resources of this type.
    pub async fn resources_of_type(&self, kind: &str) -> Result<Vec<String>> {
        let request = self.cloud.cloudformation.describe_stack_resources().stack_name(&self.name);
        let answer = request.send().await.called("cloudformation:DescribeStackResources")?;
        let all = answer.stack_resources.unwrap_or_default().into_iter();
        let of_kind = all.filter(|resource| resource.resource_type.as_deref() == Some(kind));
        Ok(of_kind.filter_map(|resource| resource.logical_resource_id).collect())
    }

    /// Detects drift, and waits for the result.
    pub async fn drift(&self) -> Result<Drift> {
        let cloudformation = &self.cloud.cloudformation;
        let started = cloudformation.detect_stack_drift().stack_name(&self.name).send().await;
        let id = started.called("cloudformation:DetectStackDrift")?.stack_drift_detection_id;
        let id = id.context("DetectStackDrift gave no id")?;
        let what = format!("the drift of {}", self.name);
        let status = wait::until(&self.cloud, wait::DRIFT, &what, async || {
            let request = cloudformation.describe_stack_drift_detection_status();
            let found = request.stack_drift_detection_id(&id).send().await;
            let found = found.called("cloudformation:DescribeStackDriftDetectionStatus")?;
            match found.detection_status {
                Some(StackDriftDetectionStatus::DetectionInProgress) => Ok(None),
                Some(StackDriftDetectionStatus::DetectionComplete) => {
                    Ok(Some(found.stack_drift_status.context("no drift status")?.to_string()))
                }
                other => anyhow::bail!("{other:?}: {:?}", found.detection_status_reason),
            }
        })
        .await?;
        let (resources_checked, differences) = self.differences().await?;
        Ok(Drift { status, resources_checked, differences })
    }

    async fn differences(&self) -> Result<(usize, Vec<Difference>)> {
        let request = self.cloud.cloudformation.describe_stack_resource_drifts();
        let answer = request.stack_name(&self.name).max_results(100).send().await;
        let answer = answer.called("cloudformation:DescribeStackResourceDrifts")?;
        ensure!(answer.next_token.is_none(), "a fixture must have fewer than 100 resources");
        let mut checked = 0;
        let mut differences = Vec::new();
        for resource in answer.stack_resource_drifts.unwrap_or_default() {
            if resource.stack_resource_drift_status == Some(StackResourceDriftStatus::NotChecked) {
                continue;
            }
            checked += 1;
            let logical_id = resource.logical_resource_id.unwrap_or_default();
            for property in resource.property_differences.unwrap_or_default() {
                differences.push(Difference {
                    logical_id: logical_id.clone(),
                    path: property.property_path.unwrap_or_default(),
                    expected: property.expected_value.unwrap_or_default(),
                    actual: property.actual_value.unwrap_or_default(),
                });
            }
        }
        Ok((checked, differences))
    }

    /// Deletes it and waits until it is deleted.
    pub async fn delete(&self) -> Result<()> {
        let id = self.describe().await?.stack_id.context("the stack has no id")?;
        let delete = self.cloud.cloudformation.delete_stack().stack_name(&id).send().await;
        delete.called("cloudformation:DeleteStack")?;
        let status = Self::by_name(&self.cloud, &id).settled().await?;
        ensure!(status == "DELETE_COMPLETE", "deleting {} ended in {status}", self.name);
        Ok(())
    }

    /// The number of its updates, including failed ones.
    pub async fn updates(&self) -> Result<usize> {
        let events = self.events().await?;
        let begins = |event: &&StackEvent| {
            event.logical_resource_id() == Some(&self.name)
                && event.resource_status() == Some(&ResourceStatus::UpdateInProgress)
        };
        Ok(events.iter().filter(begins).count())
    }

    /// Everything that happened to it, the latest first.
    async fn events(&self) -> Result<Vec<StackEvent>> {
        let request = self.cloud.cloudformation.describe_stack_events().stack_name(&self.name);
        let events: Result<Vec<_>, _> = request.into_paginator().items().send().collect().await;
        events.called("cloudformation:DescribeStackEvents")
    }

    /// The first resource that failed in the latest operation, and its reason.
    async fn first_failure(&self) -> Result<String> {
        let events = self.events().await?;
        let is_failure = |event: &&StackEvent| {
            let status = event.resource_status.as_ref().map_or("", ResourceStatus::as_str);
            // A template that cannot be carried out rolls the stack back without a failed resource.
            status.ends_with("FAILED") || status.contains("ROLLBACK_IN_PROGRESS")
        };
        let failed = events.iter().rfind(is_failure);
        Ok(failed.map_or_else(
            || "no resource failed".to_owned(),
            |event| {
                let resource = event.logical_resource_id().unwrap_or_default();
                format!("{resource}: {}", event.resource_status_reason().unwrap_or_default())
            },
        ))
    }
}

fn pairs(parameters: &[(&str, &str)]) -> Vec<Parameter> {
    let build = |(key, value): &(&str, &str)| {
        Parameter::builder().parameter_key(*key).parameter_value(*value).build()
    };
    parameters.iter().map(build).collect()
}
