"""The overlay refuses to start rather than patch nothing, and ends with the program that started it."""

import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

import conftest
from scenario import create, image, keyed, template

EMULATOR = pathlib.Path(__file__).resolve().parents[1]


def _start(before, **environment):
    """Run `python -m overlay` after some sabotage; (exit status, output)."""
    code = f"{before}\nimport runpy; runpy.run_module('overlay', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], cwd=EMULATOR, capture_output=True, text=True, timeout=60,
                          check=False,
                          env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "GATEWAY_PORT": "1",
                               **environment})
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("before", "message"), [
    ("import overlay; overlay.MINISTACK_VERSION = '0.0.1'", "is installed, but the overlay patches the internals"),
    ("from ministack.services import ec2; del ec2._ACTION_MAP['DescribeImages']",
     "ec2._ACTION_MAP has no entry 'DescribeImages' any more"),
    ("from ministack.services import ec2; ec2._ACTION_MAP['CreateImage'] = print",
     "ec2._ACTION_MAP has an entry 'CreateImage' of its own now"),
    ("from ministack.services.cloudformation import stacks; del stacks._roll_back_operation",
     "_roll_back_operation"),
], ids=["another-version", "lost-entry", "grown-entry", "lost-function"])
def test_it_refuses_to_start(before, message):
    status, output = _start(before)
    assert status == 1
    assert "overlay: refusing to start" in output and message in output


def test_it_refuses_other_interfaces_and_nonsense_knobs():
    assert "is not loopback" in _start("", BIND_HOST="0.0.0.0")[1]
    for name, value in (("OVERLAY_STACK_SECONDS", "soon"), ("OVERLAY_FUNCTIONS_AT_ONCE", "0"),
                        ("OVERLAY_FUNCTIONS_KEPT", "0")):
        status, output = _start("", **{name: value})
        assert status == 1 and f"{name}='{value}' is not a number" in output


def test_it_ends_with_its_starter_when_told_to(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "overlay"], cwd=EMULATOR, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "GATEWAY_PORT": port,
             "TMPDIR": str(tmp_path), "OVERLAY_EXIT_WITH_STDIN": "1"})
    assert server.stdin and server.stdout
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            server.wait(1)
        server.stdin.close()
        assert server.wait(60) == -signal.SIGKILL
    finally:
        server.kill()
        server.stdout.close()


def test_it_ends_although_something_goes_on_for_ever():
    running, process = conftest.start({f"OVERLAY_{name}_SECONDS": "1e6" for name in (
        "DRIFT", "CHANGE_SET", "REFRESH", "PARAMETER")})
    try:
        aws = running.session("200000000000")
        old, new = image(aws), image(aws, "new")
        refreshing = template(policy={"AutoScalingInstanceRefresh": {}})
        changed = dict(UsePreviousTemplate=True, Parameters=keyed({"ImageId": new, "Secret": None}))
        for stack in ("web", "other"):
            create(aws, refreshing, {"ImageId": old}, stack=stack)
        aws.cfn.update_stack(StackName="web", **changed)
        aws.cfn.detect_stack_drift(StackName="other")
        aws.cfn.create_change_set(StackName="other", ChangeSetName="c", **changed)
        aws.ssm.put_parameter(Name="/ami", Value=new, Type="String", DataType="aws:ec2:image")
        conftest.until(lambda: aws.asg.describe_instance_refreshes(AutoScalingGroupName=aws.cfn.describe_stacks(
            StackName="web")["Stacks"][0]["Outputs"][0]["OutputValue"])["InstanceRefreshes"], what="a refresh")
        aws.control("POST", "holds", {"what": "stack"})
        aws.cfn.update_stack(StackName="other", **changed)
        process.terminate()
        assert process.wait(60) == 0
    finally:
        conftest.stop(process)
