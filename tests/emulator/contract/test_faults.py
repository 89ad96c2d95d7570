"""Injected faults of API calls: what they look like to a client, and whom they strike."""

import concurrent.futures
import functools
import urllib.error

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from conftest import REGION, call_held, held, refused, until
from scenario import available, create, image, keyed, settled, template
from workflow import Run, calls, function, task

THROTTLED = "ThrottlingException"


@pytest.fixture
def faults(aws):
    yield lambda *wanted: aws.control("POST", "faults", list(wanted))["faults"]
    aws.control("DELETE", "faults")


def _put(aws, name="/p", value="v"):
    return aws.ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)["Version"]


# --- what they look like ---------------------------------------------------------------------------

def test_throttling_speaks_each_services_language(aws, faults):
    """RequestLimitExceeded (EC2, 503), Throttling (query services), ThrottlingException (SSM)."""
    faults({"service": "ec2", "action": "DescribeImages", "kind": "throttle"},
           {"service": "cloudformation", "action": "DescribeStacks", "kind": "throttle"},
           {"service": "ssm", "action": "GetParameter", "kind": "throttle", "after": 1})
    with pytest.raises(ClientError) as caught:
        aws.ec2.describe_images()
    assert caught.value.response["Error"]["Code"] == "RequestLimitExceeded"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert aws.ec2.describe_images(), "only the first call"
    assert refused("Throttling", aws.cfn.describe_stacks) == "Rate exceeded"
    refused("ParameterNotFound", aws.ssm.get_parameter, Name="/nope")
    assert refused(THROTTLED, aws.ssm.get_parameter, Name="/nope") == "Rate exceeded"


def test_an_answer_can_get_lost_after_the_effect(aws, faults):
    """What an SDK cannot know: whether a write that was not answered happened."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "cut-after"})
    with pytest.raises((HTTPClientError, ConnectionClosedError)):
        _put(aws)
    assert aws.ssm.get_parameter(Name="/p")["Parameter"]["Value"] == "v"


def test_a_server_error(aws, faults):
    """A 500 without effect."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "5xx"})
    refused("InternalServerError", aws.ssm.put_parameter, Name="/p", Value="v", Type="String")
    refused("ParameterNotFound", aws.ssm.get_parameter, Name="/p")


def test_any_error_by_name(aws, faults):
    """For the ones that are hard to bring about, e.g. TooManyUpdates (API_PutParameter)."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "error", "code": "TooManyUpdates",
            "message": "There are concurrent updates"})
    assert refused("TooManyUpdates", aws.ssm.put_parameter, Name="/p", Value="v", Type="String") == \
        "There are concurrent updates"


def test_a_call_can_be_held(aws, faults):
    """It takes effect when the fault is removed, and not before."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with call_held(aws, "ssm", "PutParameter", "held") as hits:
            call = pool.submit(_put, aws, "/held")
            until(hits, what="the call is held")
            assert _put(aws, "/other") == 1
            refused("ParameterNotFound", aws.ssm.get_parameter, Name="/held")
        assert call.result() == 1
    assert aws.ssm.get_parameter(Name="/held")["Parameter"]["Value"] == "v"


@pytest.mark.parametrize("fault", [
    {"kind": "thorttle"}, {"kind": "throttle", "cuont": 1}, {"kind": "throttle", "rate": 0.5, "count": 1},
    {"kind": "throttle", "rate": 20}, {"kind": "error"}, {"kind": "twice"}, {"kind": "throttle", "function": "step"},
    {"kind": "throttle", "hits": 1}, {"kind": "hold", "service": "lambda", "action": "Invoke"},
    {"kind": "5xx", "service": "lambda", "action": "Invoke", "runs": True}])
def test_nonsense_is_refused(aws, fault):
    """A typo in a test's fault must not go unnoticed."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        aws.control("POST", "faults", [{"service": "ssm", "action": "x", **fault}])
    assert caught.value.code == 400
    assert aws.control("GET", "faults") == {"faults": []}


# --- whom they strike ------------------------------------------------------------------------------

def test_what_the_request_has_to_contain(aws, faults):
    """`match`: a parameter's name in JSON, a stack's in a form, an image's id."""
    ours = image(aws)
    faults({"service": "ssm", "action": "PutParameter", "kind": "throttle", "match": '"/golden/web"'},
           {"service": "cloudformation", "action": "DescribeStacks", "kind": "throttle", "match": "stack/web one"},
           {"service": "ec2", "action": "*", "kind": "throttle", "match": ours})
    assert _put(aws, "/golden/api") == 1
    refused("ValidationError", aws.cfn.describe_stacks, StackName="arn:stack/web two")
    available(aws, image(aws, "other"))
    refused(THROTTLED, _put, aws, "/golden/web")
    refused("Throttling", aws.cfn.describe_stacks, StackName="arn:stack/web one")
    refused("RequestLimitExceeded", aws.ec2.describe_images, ImageIds=[ours])
    assert [fault["hits"] for fault in aws.control("GET", "faults")["faults"]] == [1, 1, 1]


def test_whose_call_it_has_to_be(aws, faults):
    """`caller`: a part of an ARN, such as a function's role; any service and action of theirs."""
    function(aws, allowed=["ssm:PutParameter"])
    faults({"service": "*", "action": "*", "kind": "error", "code": "Odd", "caller": "assumed-role/lambda/", "rate": 1})
    assert _put(aws) == 1
    answer = Run(aws, ("Call", task(calls("ssm", "put_parameter", Name="/p", Value="v", Type="String"),
                                    Output="{% $states.result.Payload %}"))).output()
    assert answer["error"] == "Odd"


def test_another_account_or_region_is_spared(aws, faults, server):
    """Faults belong to the account and region that they were made for."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "throttle"})
    other = server.session("299999999999")
    assert _put(other) == 1 and other.control("GET", "faults") == {"faults": []}
    other.control("DELETE", "faults")
    refused(THROTTLED, _put, aws)


def test_one_fault_is_taken_away(aws, faults):
    """A test that runs beside others takes away its own, by number."""
    first, second = faults(*({"service": "ssm", "action": "PutParameter", "kind": "throttle", "match": name}
                             for name in ("/a", "/b")))
    aws.control("DELETE", f"faults/{first['id']}")
    assert _put(aws, "/a") == 1
    refused(THROTTLED, _put, aws, "/b")
    assert [f["id"] for f in aws.control("GET", "faults")["faults"]] == [second["id"]]


def _struck(aws, times):
    def call():
        try:
            return not aws.ssm.describe_parameters()
        except ClientError as error:
            return error.response["Error"]["Code"] == THROTTLED
    return [call() for _ in range(times)]


def test_a_part_of_the_calls(aws, faults):
    """`rate`: about a fifth of them; the same ones with the same seed, which need not be said."""
    fault = {"service": "ssm", "action": "DescribeParameters", "kind": "throttle", "rate": 0.2}
    seen = []
    for seed in ({"seed": 7}, {"seed": 7}, {"seed": 8}, {}):
        made = faults({**fault, **seed})[0]
        seen.append(_struck(aws, 100))
        aws.control("DELETE", f"faults/{made['id']}")
    assert seen[0] == seen[1] != seen[2]
    assert all(8 <= sum(each) <= 36 for each in seen), seen


# --- what an SDK makes of them ---------------------------------------------------------------------

def _patient(aws, service):
    """A client with the retries that an SDK has by itself: three attempts."""
    return boto3.client(service, endpoint_url=aws.server.url, region_name=REGION, aws_access_key_id=aws.id,
                        aws_secret_access_key="test", config=Config(retries={"mode": "standard"}))


def test_a_parameter_is_written_again_when_the_answer_was_lost(aws, faults):
    """AWS SDKs reference guide, "Retry behavior": a broken connection is retried; there are two versions."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "cut-after", "match": "/p"})
    answer = _patient(aws, "ssm").put_parameter(Name="/p", Value="v", Type="String", Overwrite=True)
    assert answer["Version"] == 2 and answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_a_parameter_is_written_though_no_answer_ever_comes(aws, faults):
    """More faults than attempts: the call fails, each attempt has had its effect."""
    faults({"service": "ssm", "action": "PutParameter", "kind": "cut-after", "count": 9})
    with pytest.raises((HTTPClientError, ConnectionClosedError)):
        _patient(aws, "ssm").put_parameter(Name="/p", Value="v", Type="String", Overwrite=True)
    assert aws.ssm.get_parameter(Name="/p")["Parameter"]["Version"] == 3


@pytest.mark.parametrize("token", [{}, {"ClientRequestToken": "promotion-1"}])
def test_a_stack_is_updated_though_the_answer_was_lost(aws, faults, token):
    """The second attempt meets the update that the first began: busy, but for one with the same request token."""
    create(aws, template(), {"ImageId": image(aws)})
    faults({"service": "cloudformation", "action": "UpdateStack", "kind": "cut-after", "match": "StackName=web"})
    parameters = keyed({"ImageId": image(aws, "new"), "Secret": None})
    call = functools.partial(_patient(aws, "cloudformation").update_stack, StackName="web",
                             UsePreviousTemplate=True, Parameters=parameters, **token)
    with held(aws, "stack"):
        if token:
            assert call()["ResponseMetadata"]["RetryAttempts"] == 1
        else:
            assert "is in UPDATE_IN_PROGRESS state and can not be updated" in refused("ValidationError", call)
    assert settled(aws, "web")["StackStatus"] == "UPDATE_COMPLETE"
    events = aws.cfn.describe_stack_events(StackName="web")["StackEvents"]
    assert sum(e["LogicalResourceId"] == "web" and e["ResourceStatus"] == "UPDATE_COMPLETE" for e in events) == 1


def test_a_function_sends_again_too(aws, faults):
    """A function's calls are cut like anybody's; its answer tells that the second attempt came through."""
    function(aws, allowed=["ssm:PutParameter"])
    faults({"service": "ssm", "action": "PutParameter", "kind": "cut-after", "caller": "assumed-role/lambda/"})
    put = calls("ssm", "put_parameter", Name="/p", Value="v", Type="String", Overwrite=True)
    answer = Run(aws, ("Call", task(put, Output="{% $states.result.Payload %}"))).output()
    assert answer["answer"]["Version"] == 2
