"""Change sets: what an update would change, without changing it."""

import json

from conftest import held, refused, until
from scenario import create, image, keyed, settled, template

MISSING = "ami-0aaaaaaaaaaaaaaa0"
NOTHING = "The submitted information didn't contain changes. Submit different information to create a change set."


def _begin(aws, name="plan", **request):
    return aws.cfn.create_change_set(StackName="web", ChangeSetName=name, **request)["Id"]


def _plan(aws, name="plan", **request):
    """A change set, when it is complete or failed."""
    arn = _begin(aws, name, **request)

    def look():
        found = aws.cfn.describe_change_set(ChangeSetName=arn)
        return None if found["Status"] in ("CREATE_PENDING", "CREATE_IN_PROGRESS") else found
    return until(look, what="the change set")


def _status(aws):
    return aws.cfn.describe_change_set(StackName="web", ChangeSetName="plan")["Status"]


def _previous(image_id, **more):
    return dict(UsePreviousTemplate=True, Parameters=keyed({"ImageId": image_id, "Secret": None}), **more)


def _changes(found):
    return {c["ResourceChange"]["LogicalResourceId"]: c["ResourceChange"] for c in found["Changes"]}


def _details(change):
    return [(d["Target"]["Attribute"], d["Target"].get("Name"), d["Target"]["RequiresRecreation"], d["Evaluation"],
             d["ChangeSource"], d.get("CausingEntity")) for d in change["Details"]]


def test_a_new_image_changes_the_launch_template_and_with_it_the_groups_version(aws):
    """API_ResourceChange, API_ResourceChangeDetail: static by the parameter, dynamic by Fn::GetAtt. A group's launch
    template replaces it conditionally (conditionalCreateOnlyProperties; real output in code-dot-org#13322)."""
    out = create(aws, template(), {"ImageId": image(aws, "image-a")})
    found = _plan(aws, **_previous(image(aws, "image-b")))
    assert (found["Status"], found["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    assert "NextToken" not in found and "StatusReason" not in found
    changes = _changes(found)
    assert {k: (c["Action"], c["ResourceType"], c["PhysicalResourceId"], c["Replacement"], c["Scope"])
            for k, c in changes.items()} == {
        "Template": ("Modify", "AWS::EC2::LaunchTemplate", out["TemplateId"], "False", ["Properties"]),
        "Group": ("Modify", "AWS::AutoScaling::AutoScalingGroup", out["GroupName"], "Conditional", ["Properties"])}
    assert _details(changes["Template"]) == [
        ("Properties", "LaunchTemplateData", "Never", "Dynamic", "DirectModification", None),
        ("Properties", "LaunchTemplateData", "Never", "Static", "ParameterReference", "ImageId")]
    assert _details(changes["Group"]) == [
        ("Properties", "LaunchTemplate", "Conditionally", "Dynamic", "ResourceAttribute",
         "Template.LatestVersionNumber")]
    assert {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}["Secret"] == "****"


def test_it_takes_time_and_alters_nothing(aws):
    """API_CreateChangeSet: "CloudFormation doesn't make changes until you execute the change set"."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    before, events = aws.cfn.describe_stacks(StackName="web")["Stacks"], \
        aws.cfn.describe_stack_events(StackName="web")["StackEvents"]
    with held(aws, "change_set", "plan") as hold:
        arn = _begin(aws, **_previous(image(aws, "image-b")))
        assert arn.startswith(f"arn:aws:cloudformation:us-east-1:{aws.id}:changeSet/plan/")
        for status in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            hold.caught()
            found = aws.cfn.describe_change_set(ChangeSetName=arn)
            assert (found["Status"], found["Changes"]) == (status, [])
            # saksdirect/nova#10, aws/aws-cdk#26182
            assert refused("InvalidChangeSetStatus", aws.cfn.execute_change_set, ChangeSetName=arn) == \
                f"ChangeSet [{arn}] cannot be executed in its current status of [{status}]"
            assert "currently in progress" in refused(
                "InvalidChangeSetStatus", aws.cfn.delete_change_set, ChangeSetName=arn)
            hold.step()
    until(lambda: _status(aws) == "CREATE_COMPLETE", what="CREATE_COMPLETE")
    assert aws.cfn.describe_stacks(StackName="web")["Stacks"] == before
    assert aws.cfn.describe_stack_events(StackName="web")["StackEvents"] == events
    aws.cfn.delete_change_set(ChangeSetName=arn)
    refused("ChangeSetNotFound", aws.cfn.describe_change_set, ChangeSetName=arn)
    assert aws.cfn.list_change_sets(StackName="web")["Summaries"] == []


def test_nothing_to_change(aws):
    """FAILED with a reason; another one when the template that was sent has a transform (aws/aws-cdk#10650)."""
    ami = image(aws)
    create(aws, template(), {"ImageId": ami})
    found = _plan(aws, **_previous(ami))
    assert (found["Status"], found["ExecutionStatus"], found["StatusReason"], found["Changes"]) == (
        "FAILED", "UNAVAILABLE", NOTHING, [])
    body = json.dumps({"Transform": "AWS::LanguageExtensions", **json.loads(template())})
    found = _plan(aws, "sent", TemplateBody=body, Parameters=keyed({"ImageId": ami, "Secret": None}))
    assert (found["Status"], found["StatusReason"]) == ("FAILED", "No updates are to be performed.")


def test_a_name_is_taken_by_another_request(aws):
    """awslabs/landing-zone-accelerator-on-aws#442, aws-actions/aws-cloudformation-github-deploy#122."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    new, other = image(aws, "image-b"), image(aws, "image-c")
    arn = _plan(aws, **_previous(new, ClientToken="run-1"))["ChangeSetId"]
    assert _begin(aws, **_previous(new, ClientToken="run-1")) == arn, "the same request is the same change set"

    def text(attribute):
        return f"ChangeSet plan cannot be created due to a mismatch with existing attribute {attribute}"
    assert refused("AlreadyExistsException", _begin, aws, **_previous(new, ClientToken="run-2")) == text("ClientToken")
    assert refused("AlreadyExistsException", _begin, aws, **_previous(other, ClientToken="run-1")) == text("Parameters")
    aws.cfn.delete_change_set(ChangeSetName=arn)
    assert _begin(aws, **_previous(other, ClientToken="run-2")) != arn


def test_a_busy_stack_is_refused(aws):
    """realestate-com-au/stackup#48: in the words of UpdateStack."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    arn = aws.cfn.describe_stacks(StackName="web")["Stacks"][0]["StackId"]
    new = image(aws, "image-b")
    with held(aws, "stack"):
        aws.cfn.update_stack(StackName="web", **_previous(new))
        assert refused("ValidationError", _begin, aws, **_previous(new)) == \
            f"Stack:{arn} is in UPDATE_IN_PROGRESS state and can not be updated."
    settled(aws, "web")
    assert refused("ValidationError", aws.cfn.create_change_set, StackName="nope", ChangeSetName="plan",
                   UsePreviousTemplate=True) == "Stack [nope] does not exist"
    assert refused("ValidationError", _begin, aws, Parameters=keyed({"ImageId": new, "Secret": None})) == \
        "Either Template URL or Template Body must be specified."


def test_replaced_added_and_removed_resources(aws):
    """API_ResourceChange: Action and Replacement, by the "Update requires" of each property."""
    create(aws, template(AutoScalingGroupName="one"), {"ImageId": image(aws)})
    body = json.loads(template(AutoScalingGroupName="two", MaxSize="2"))
    body["Resources"]["Template"]["Properties"]["LaunchTemplateName"] = "named"
    body["Resources"]["Note"] = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}
    found = _plan(aws, TemplateBody=json.dumps(body), Parameters=keyed({"ImageId": None, "Secret": None}))
    changes = _changes(found)
    assert {k: (c["Action"], c.get("Replacement")) for k, c in changes.items()} == {
        "Note": ("Add", None), "Template": ("Modify", "True"), "Group": ("Modify", "True")}
    assert "PhysicalResourceId" not in changes["Note"]
    assert ("Properties", "MaxSize", "Never", "Static", "DirectModification", None) in _details(changes["Group"])
    assert changes["Group"]["PolicyAction"] == "ReplaceAndDelete"
    del body["Resources"]["Group"], body["Outputs"]
    found = _plan(aws, "less", TemplateBody=json.dumps(body), Parameters=keyed({"ImageId": None, "Secret": None}))
    assert _changes(found)["Group"]["Action"] == "Remove"


def test_only_resources_whose_condition_holds(aws):
    """User guide, "Conditions": a resource whose condition is false is not created."""
    body = json.loads(template())
    body["Parameters"]["Noted"] = {"Type": "String", "Default": "no"}
    body["Conditions"] = {"IsNoted": {"Fn::Equals": [{"Ref": "Noted"}, "yes"]}}
    body["Resources"]["Note"] = {"Type": "AWS::SSM::Parameter", "Condition": "IsNoted",
                                 "Properties": {"Type": "String", "Value": {"Ref": "ImageId"}}}
    create(aws, json.dumps(body), {"ImageId": image(aws)})
    parameters = {"ImageId": image(aws, "new"), "Secret": None, "Noted": None}
    found = _plan(aws, UsePreviousTemplate=True, Parameters=keyed(parameters))
    assert set(_changes(found)) == {"Template", "Group"}
    found = _plan(aws, "noted", UsePreviousTemplate=True, Parameters=keyed({**parameters, "Noted": "yes"}))
    assert _changes(found)["Note"]["Action"] == "Add"


def test_tags_that_are_not_sent_are_removed(aws):
    """guardian/riff-raff#1379: unlike in UpdateStack; sent again they are no change."""
    tags = [{"Key": "Owner", "Value": "me"}]
    aws.cfn.create_stack(StackName="web", TemplateBody=template(), Tags=tags, Parameters=keyed({"ImageId": image(aws)}))
    settled(aws, "web")
    new = image(aws, "new")
    assert all(c["Scope"] == ["Properties"] for c in _changes(_plan(aws, **_previous(new, Tags=tags))).values())
    found = _plan(aws, "bare", **_previous(new))
    assert all(c["Scope"] == ["Properties", "Tags"] for c in _changes(found).values())
    aws.cfn.execute_change_set(StackName="web", ChangeSetName="bare")
    assert settled(aws, "web")["Tags"] == []


def test_pages(aws):
    """API_DescribeChangeSet, NextToken."""
    body = json.loads(template())
    body["Resources"].update({f"Note{n}": {"Type": "AWS::SSM::Parameter", "Properties": {
        "Type": "String", "Value": str(n)}} for n in range(30)})
    create(aws, template(), {"ImageId": image(aws)})
    first = _plan(aws, TemplateBody=json.dumps(body), Parameters=keyed({"ImageId": None, "Secret": None}))
    rest = aws.cfn.describe_change_set(ChangeSetName=first["ChangeSetId"], NextToken=first["NextToken"])
    assert "NextToken" not in rest
    assert len({*_changes(first), *_changes(rest)}) == 30


def test_an_image_that_does_not_exist_fails_it(aws):
    """A value of type AWS::EC2::Image::Id must exist (user guide, "AWS-specific parameter types")."""
    body = template().replace('"ImageId": {"Type": "String"}', '"ImageId": {"Type": "AWS::EC2::Image::Id"}')
    create(aws, body, {"ImageId": image(aws)})
    found = _plan(aws, **_previous(MISSING))
    assert (found["Status"], found["StatusReason"]) == (
        "FAILED", f"Parameter validation failed: parameter value {MISSING} for parameter name ImageId does not exist")


def test_it_can_be_executed_once_and_deletes_the_others(aws):
    """API_ExecuteChangeSet; an update in between makes it obsolete."""
    create(aws, template(), {"ImageId": image(aws, "image-a")})
    _plan(aws, "one", **_previous(image(aws, "image-b")))
    _plan(aws, "two", **_previous(image(aws, "image-c")))
    aws.cfn.execute_change_set(StackName="web", ChangeSetName="one")
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE"
    refused("ChangeSetNotFound", aws.cfn.describe_change_set, StackName="web", ChangeSetName="two")
    _plan(aws, "three", **_previous(image(aws, "image-d")))
    aws.cfn.update_stack(StackName="web", **_previous(image(aws, "image-e")))
    settled(aws, "web")
    assert aws.cfn.describe_change_set(StackName="web", ChangeSetName="three")["ExecutionStatus"] == "OBSOLETE"
    refused("InvalidChangeSetStatus", aws.cfn.execute_change_set, StackName="web", ChangeSetName="three")
