"""How CloudFormation describes a stack: parents, typed parameters, templates, tokens, whose resource something is."""

import json

import pytest

from conftest import held, refused, until
from scenario import create, group, image, keyed, reasons, settled, template

SSM_IMAGE = "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>"


def _parameters(aws):
    return {p["ParameterKey"]: p for p in aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["Parameters"]}


def _complete(aws, **change_set):
    """The change set, when it is complete."""
    def look():
        found = aws.cfn.describe_change_set(**change_set)
        return found if found["Status"] == "CREATE_COMPLETE" else None
    return until(look, what="the change set")


def test_a_stack_is_found_by_the_physical_id_of_its_resource(aws):
    """API_DescribeStackResources: all resources of the stack; a parameter's physical id is its name."""
    body = json.loads(template())
    body["Resources"]["Note"] = {"Type": "AWS::SSM::Parameter",
                                 "Properties": {"Name": "/ami/web", "Type": "String", "Value": "x"}}
    out = create(aws, json.dumps(body), {"ImageId": image(aws)})
    for physical_id in ("/ami/web", out["GroupName"], out["TemplateId"]):
        found = aws.cfn.describe_stack_resources(PhysicalResourceId=physical_id)["StackResources"]
        assert {r["LogicalResourceId"]: r["ResourceType"] for r in found} == {
            "Note": "AWS::SSM::Parameter", "Template": "AWS::EC2::LaunchTemplate",
            "Group": "AWS::AutoScaling::AutoScalingGroup"}
        assert {r["StackName"] for r in found} == {"web"}
        assert physical_id in {r["PhysicalResourceId"] for r in found}
    assert refused("ValidationError", aws.cfn.describe_stack_resources, PhysicalResourceId="/ami/other") == \
        "Stack for /ami/other does not exist"
    refused("ValidationError", aws.cfn.describe_stack_resources, PhysicalResourceId="/ami/web", StackName="web")
    aws.cfn.delete_stack(StackName="web")
    until(lambda: not aws.cfn.describe_stacks()["Stacks"], what="the deletion")
    refused("ValidationError", aws.cfn.describe_stack_resources, PhysicalResourceId="/ami/web")


@pytest.fixture
def fetched(aws):
    """A stack whose image is a parameter of the parameter store, and its first image."""
    first = image(aws, "image-a")
    aws.ssm.put_parameter(Name="/ami/web", Value=first, Type="String")
    body = template().replace('"ImageId": {"Type": "String"}', f'"ImageId": {{"Type": "{SSM_IMAGE}"}}')
    return create(aws, body, {"ImageId": "/ami/web"}), first


def _fetch(aws):
    aws.cfn.update_stack(StackName="web", UsePreviousTemplate=True,
                         Parameters=keyed({"ImageId": None, "Secret": None}))


def test_a_fetched_parameter_has_a_name_and_a_resolved_value(aws, fetched):
    """API_Parameter, ResolvedValue; "SSM parameter types": fetched again by every update."""
    out, first = fetched
    assert _parameters(aws)["ImageId"] == {
        "ParameterKey": "ImageId", "ParameterValue": "/ami/web", "ResolvedValue": first}
    assert "ResolvedValue" not in _parameters(aws)["Secret"]
    assert refused("ValidationError", _fetch, aws) == "No updates are to be performed."
    second = image(aws, "image-b")
    aws.ssm.put_parameter(Name="/ami/web", Value=second, Type="String", Overwrite=True)
    assert _parameters(aws)["ImageId"]["ResolvedValue"] == first
    plan = aws.cfn.create_change_set(StackName="web", ChangeSetName="plan", UsePreviousTemplate=True,
                                     Parameters=keyed({"ImageId": None, "Secret": None}))["Id"]
    found = _complete(aws, ChangeSetName=plan)
    assert {"ParameterKey": "ImageId", "ParameterValue": "/ami/web", "ResolvedValue": second} in found["Parameters"]
    assert {c["ResourceChange"]["LogicalResourceId"] for c in found["Changes"]} == {"Template", "Group"}
    _fetch(aws)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE", reasons(aws)
    assert _parameters(aws)["ImageId"] == {
        "ParameterKey": "ImageId", "ParameterValue": "/ami/web", "ResolvedValue": second}
    version = group(aws, out["GroupName"])["LaunchTemplate"]["Version"]
    data = aws.ec2.describe_launch_template_versions(LaunchTemplateId=out["TemplateId"], Versions=[version])
    assert data["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"] == second


def test_a_request_token_is_used_once(aws):
    """API_UpdateStack, ClientRequestToken; the text is that of banzaicloud/pipeline#3016."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    arn = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    first, second = image(aws, "image-b"), image(aws, "image-c")

    def change(image_id):
        return dict(StackName="web", UsePreviousTemplate=True, ClientRequestToken="run-1",
                    Parameters=keyed({"ImageId": image_id, "Secret": None}))
    text = ("The client request token run-1 has already been used for this stack. "
            "Retry the request with a different client request token")
    with held(aws, "stack"):
        aws.cfn.update_stack(**change(first))
        assert aws.cfn.update_stack(**change(first))["StackId"] == arn, "a retry starts nothing"
        assert refused("TokenAlreadyExistsException", aws.cfn.update_stack, **change(second)) == text
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE"
    assert refused("TokenAlreadyExistsException", aws.cfn.update_stack, **change(second)) == text
    assert refused("TokenAlreadyExistsException", aws.cfn.update_stack, **change(first)) == text
    events = aws.cfn.describe_stack_events(StackName="web")["StackEvents"]
    ours = [e for e in events if e.get("ClientRequestToken") == "run-1"]
    assert [e["ResourceStatus"] for e in ours].count("UPDATE_IN_PROGRESS") == 3, "one update"
    assert {e["LogicalResourceId"] for e in ours} == {"web", "Template", "Group"}


def test_nested_stacks_name_their_parent_and_root(aws):
    """API_Stack, ParentId and RootId; a change set of the parent lists them always (coverage-roadmap#142)."""
    aws.s3.create_bucket(Bucket="templates")

    def uploaded(key, body):
        aws.s3.put_object(Bucket="templates", Key=key, Body=json.dumps(body))
        return {"Type": "AWS::CloudFormation::Stack",
                "Properties": {"TemplateURL": f"{aws.server.url}/templates/{key}"}}
    leaf = uploaded("leaf", {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
    middle = uploaded("middle", {"Resources": {"Leaf": leaf}})
    root = {"Resources": {"Middle": middle, "Topic": {"Type": "AWS::SNS::Topic"}}}
    create(aws, json.dumps(root), stack="root")
    found = {s["StackId"]: s for s in aws.cfn.describe_stacks()["Stacks"]}

    def physical(stack, logical_id):
        return next(r["PhysicalResourceId"] for r in aws.cfn.describe_stack_resources(StackName=stack)["StackResources"]
                    if r["LogicalResourceId"] == logical_id)
    top = next(s["StackId"] for s in found.values() if s["StackName"] == "root")
    child = physical(top, "Middle")
    grandchild = physical(child, "Leaf")
    assert {k: (s.get("ParentId"), s.get("RootId")) for k, s in found.items()} == {
        top: (None, None), child: (top, top), grandchild: (child, top)}
    aws.cfn.create_change_set(StackName="root", ChangeSetName="plan", UsePreviousTemplate=True)
    plan = _complete(aws, StackName="root", ChangeSetName="plan")
    assert [(c["ResourceChange"]["LogicalResourceId"], c["ResourceChange"]["Details"][0]["ChangeSource"])
            for c in plan["Changes"]] == [("Middle", "Automatic")]


def test_nested_stacks_are_updated_by_their_root(aws):
    """User guide, "Embed stacks within other stacks using nested stacks"."""
    aws.s3.create_bucket(Bucket="leaves")
    aws.s3.put_object(Bucket="leaves", Key="leaf", Body=json.dumps({
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}}}))
    create(aws, json.dumps({"Parameters": {"Name": {"Type": "String"}}, "Resources": {"Leaf": {
        "Type": "AWS::CloudFormation::Stack", "Properties": {
            "TemplateURL": f"{aws.server.url}/leaves/leaf", "Parameters": {"Name": {"Ref": "Name"}}}}}}),
        {"Name": "a"}, stack="root")
    for name in ("b", "c"):
        aws.cfn.update_stack(StackName="root", UsePreviousTemplate=True, Parameters=keyed({"Name": name}))
        assert settled(aws, "root")["StackStatus"] == "UPDATE_COMPLETE", reasons(aws, "root")
        leaf = next(s for s in aws.cfn.describe_stacks()["Stacks"] if s.get("ParentId"))
        assert (leaf["StackStatus"], leaf["Parameters"][0]["ParameterValue"]) == ("UPDATE_COMPLETE", name)


def test_the_template_as_it_was_sent_and_processed(aws):
    """API_GetTemplate, TemplateStage; API_GetTemplateSummary of a running stack."""
    body = json.dumps({"Transform": "AWS::LanguageExtensions", **json.loads(
        template().replace('"ImageId": {"Type": "String"}', '"ImageId": {"Type": "AWS::EC2::Image::Id"}'))})
    aws.cfn.create_stack(StackName="web", TemplateBody=body, Parameters=keyed({"ImageId": image(aws)}),
                         Capabilities=["CAPABILITY_AUTO_EXPAND"])
    assert settled(aws, "web")["StackStatus"] == "CREATE_COMPLETE", reasons(aws)
    original = aws.cfn.get_template(StackName="web", TemplateStage="Original")["TemplateBody"]
    assert original == json.loads(body)
    assert "Transform" not in aws.cfn.get_template(StackName="web", TemplateStage="Processed")["TemplateBody"]
    summary = aws.cfn.get_template_summary(StackName="web")
    assert summary["DeclaredTransforms"] == ["AWS::LanguageExtensions"]
    assert {p["ParameterKey"]: p["ParameterType"] for p in summary["Parameters"]} == {
        "ImageId": "AWS::EC2::Image::Id", "Secret": "String"}


def test_language_extensions_need_the_template_again(aws):
    """API_UpdateStack, UsePreviousTemplate; cfn-language-discussion#146: the parameters are resolved in it."""
    body = json.dumps({"Transform": "AWS::LanguageExtensions", **json.loads(template())})
    expand = dict(StackName="web", Capabilities=["CAPABILITY_AUTO_EXPAND"])
    aws.cfn.create_stack(TemplateBody=body, Parameters=keyed({"ImageId": image(aws, "image-a")}), **expand)
    settled(aws, "web")
    changed = keyed({"ImageId": image(aws, "image-b"), "Secret": None})
    assert refused("ValidationError", aws.cfn.update_stack, UsePreviousTemplate=True, Parameters=changed,
                   **expand) == "No updates are to be performed."
    aws.cfn.create_change_set(ChangeSetName="plan", UsePreviousTemplate=True, Parameters=changed, **expand)
    until(lambda: aws.cfn.describe_change_set(StackName="web", ChangeSetName="plan")["Status"] == "FAILED")
    assert refused("InsufficientCapabilitiesException", aws.cfn.update_stack, StackName="web", TemplateBody=body,
                   Parameters=changed) == "Requires capabilities : [CAPABILITY_AUTO_EXPAND]"
    aws.cfn.update_stack(TemplateBody=body, Parameters=changed, **expand)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE", reasons(aws)
    assert _parameters(aws)["ImageId"]["ParameterValue"] == changed[0]["ParameterValue"]
