"""The log of calls with what was sent and answered, from which a benchmark answers a function again."""

import pytest

import conftest


@pytest.fixture(scope="module")
def keeping():
    running, process = conftest.start({"OVERLAY_ANSWERS": "1"})
    try:
        yield running.session("444455556666")
    finally:
        conftest.stop(process)


def test_it_has_what_was_sent_and_answered(keeping):
    keeping.ssm.put_parameter(Name="/p", Value="v", Type="String")
    conftest.refused("ValidationError", keeping.cfn.describe_stacks, StackName="nope")
    put, describe = (call["exchange"] for call in keeping.control("GET", "calls")["calls"])
    assert (put["method"], put["path"], put["target"]) == ("POST", "/", "AmazonSSM.PutParameter")
    assert '"/p"' in put["body"] and '"Version": 1' in put["answer"]["body"].replace('":1', '": 1')
    assert put["answer"]["status"] == 200 and "json" in put["answer"]["contentType"]
    assert "Action=DescribeStacks" in describe["body"] and describe["target"] == ""
    assert describe["answer"]["status"] == 400 and "ValidationError" in describe["answer"]["body"]


def test_without_the_variable_it_has_not(aws):
    aws.ssm.describe_parameters()
    assert ["exchange" in call for call in aws.control("GET", "calls")["calls"]] == [False]
