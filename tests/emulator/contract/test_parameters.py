"""PutParameter answers before it is true."""

import threading

from conftest import call_held, held, refused, until
from scenario import image, inbox

MISSING = "ami-0aaaaaaaaaaaaaaa0"


def _put(aws, value, **kwargs):
    return aws.ssm.put_parameter(Name="/ami/web", Value=value, Type="String",
                                 **{"DataType": "aws:ec2:image", **kwargs})["Version"]


def _value(aws):
    return aws.ssm.get_parameter(Name="/ami/web")["Parameter"]["Value"]


def test_an_image_parameter_appears_later(aws):
    """API_PutParameter, DataType: validated asynchronously."""
    old, new = image(aws, "image-a"), image(aws, "image-b")
    with held(aws, "parameter"):
        assert _put(aws, old) == 1
        refused("ParameterNotFound", _value, aws)
    until(lambda: aws.ssm.get_parameters(Names=["/ami/web"])["Parameters"], what="the first value")
    with held(aws, "parameter"):
        assert _put(aws, new, Overwrite=True) == 2
        assert _value(aws) == old
    until(lambda: _value(aws) == new, what="the second value")
    assert aws.ssm.get_parameter(Name="/ami/web")["Parameter"]["DataType"] == "aws:ec2:image"


def test_an_image_that_is_not_there_is_accepted_and_never_written(aws):
    """User guide, "Troubleshooting `aws:ec2:image` parameter creation"."""
    events = inbox(aws, {"detail-type": ["Parameter Store Change"]})
    old = image(aws)
    _put(aws, old)
    until(lambda: aws.ssm.get_parameters(Names=["/ami/web"])["Parameters"])
    assert _put(aws, MISSING, Overwrite=True) == 2
    event = until(lambda: [e for e in events() if "exception" in e["detail"]])[0]
    assert event["detail"] == {"exception": "Unable to Describe Resource", "dataType": "aws:ec2:image",
                               "name": "/ami/web", "type": "String", "operation": "Update"}
    assert _value(aws) == old
    assert [p["Version"] for p in aws.ssm.get_parameter_history(Name="/ami/web")["Parameters"]] == [1]


def test_the_data_type_cannot_be_changed(aws):
    """User guide, "Parameter data types in Parameter Store"."""
    ami = image(aws)
    _put(aws, ami, DataType="text")
    refused("ValidationException", _put, aws, ami, Overwrite=True)


def test_a_label_on_the_oldest_of_a_hundred_versions_blocks_the_next(aws):
    """User guide, "Working with parameter versions"; the text is that of API_PutParameter's error."""
    for n in range(100):
        _put(aws, str(n), DataType="text", Overwrite=True)
    aws.ssm.label_parameter_version(Name="/ami/web", ParameterVersion=1, Labels=["kept", "stable"])
    assert refused("ParameterMaxVersionLimitExceeded", _put, aws, "x", DataType="text", Overwrite=True) == (
        "You attempted to create a new version of /ami/web by calling the PutParameter API with the overwrite flag. "
        "Version 1, the oldest version, can't be deleted because it has a label associated with it. "
        "Move the label to another version of the parameter, and try again.")
    first = aws.ssm.get_parameter_history(Name="/ami/web")
    assert [(p["Version"], p["Labels"]) for p in first["Parameters"]][:2] == [(1, ["kept", "stable"]), (2, [])]
    assert len(first["Parameters"]) == 50, "the default of MaxResults"
    rest = aws.ssm.get_parameter_history(Name="/ami/web", NextToken=first["NextToken"])
    assert [p["Version"] for p in rest["Parameters"]] == list(range(51, 101)) and "NextToken" not in rest
    # A label is on one version only: given to another, it leaves the first.
    aws.ssm.label_parameter_version(Name="/ami/web", ParameterVersion=9, Labels=["kept", "stable"])
    assert _put(aws, "x", DataType="text", Overwrite=True) == 101
    oldest = aws.ssm.get_parameter_history(Name="/ami/web", MaxResults=1)["Parameters"][0]
    assert (oldest["Version"], oldest["Labels"]) == (2, [])
    refused("ParameterNotFound", aws.ssm.get_parameter_history, Name="/nope")
    refused("ParameterVersionNotFound", aws.ssm.label_parameter_version, Name="/ami/web", ParameterVersion=1,
            Labels=["kept"])


def test_an_image_parameter_with_a_full_history_is_refused_at_once(aws):
    """The version limit is the call's own answer; the validation comes after it."""
    images = image(aws), image(aws, "other")
    aws.control("POST", "settings", {"parameter": 0})
    for n in range(100):
        _put(aws, images[n % 2], Overwrite=True)
    until(lambda: aws.ssm.get_parameter(Name="/ami/web")["Parameter"]["Version"] == 100)
    aws.ssm.label_parameter_version(Name="/ami/web", ParameterVersion=1, Labels=["kept"])
    refused("ParameterMaxVersionLimitExceeded", _put, aws, images[0], Overwrite=True)


def test_tags_are_the_parameters(aws):
    """API_AddTagsToResource: scoped by the parameter's ARN (test_permissions), kept by an overwrite; an unknown
    parameter is InvalidResourceId, without a message (getmoto/moto#4360)."""
    of = dict(ResourceType="Parameter", ResourceId="/golden/web")

    def tags():
        return {t["Key"]: t["Value"] for t in aws.ssm.list_tags_for_resource(**of)["TagList"]}
    for call in (tags, lambda: aws.ssm.add_tags_to_resource(**of, Tags=[{"Key": "a", "Value": "1"}]),
                 lambda: aws.ssm.remove_tags_from_resource(**of, TagKeys=["a"])):
        assert refused("InvalidResourceId", call) in ("", None)
    for kind, values in (("text", ("v", "w")), ("aws:ec2:image", (image(aws, "image-a"), image(aws, "image-b")))):
        of["ResourceId"] = f"/golden/{kind[-5:].strip(':')}"
        aws.ssm.put_parameter(Name=of["ResourceId"], Value=values[0], Type="String", DataType=kind,
                              Tags=[{"Key": "a", "Value": "1"}])
        until(lambda: aws.ssm.get_parameters(Names=[of["ResourceId"]])["Parameters"])
        assert tags() == {"a": "1"}
        aws.ssm.add_tags_to_resource(**of, Tags=[{"Key": "b", "Value": "2"}])
        aws.ssm.put_parameter(Name=of["ResourceId"], Value=values[1], Type="String", Overwrite=True)
        until(lambda: aws.ssm.get_parameter(Name=of["ResourceId"])["Parameter"]["Version"] == 2)
        assert tags() == {"a": "1", "b": "2"}
        aws.ssm.remove_tags_from_resource(**of, TagKeys=["a"])
        assert tags() == {"b": "2"}


def test_a_second_creation_meanwhile_is_refused_without_a_text(aws):
    """hashicorp/terraform-provider-aws#1082, airbnb/streamalert#682: TooManyUpdates with an empty message, and not
    ParameterAlreadyExists; that comes once the first one is over."""
    def create():
        return aws.ssm.put_parameter(Name="/claim", Value="v", Type="String")["Version"]
    made = []
    first = threading.Thread(target=lambda: made.append(create()))
    with call_held(aws, "ssm", "PutParameter", "/claim") as hits:
        first.start()
        until(hits, what="the first creation")
        assert refused("TooManyUpdates", create) == ""
    first.join()
    assert made == [1]
    refused("ParameterAlreadyExists", create)
