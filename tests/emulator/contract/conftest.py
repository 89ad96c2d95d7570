"""Owns the server the contract tests run against: one per session, on a free port, in a
process group of its own that is killed at the end, and a fresh AWS account per test."""

import contextlib
import inspect
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

HERE = pathlib.Path(__file__).resolve().parent
REGION = "us-east-1"
START_SECONDS = 60
#: As short as can be; a test that needs an intermediate state has it `held`.
QUICK = {f"OVERLAY_{name}_SECONDS": str(seconds) for name, seconds in {
    "IMAGE_PENDING": 0.05, "INSTANCE": 0.05, "HEAL": 0.08, "STACK": 0.08, "CLEANUP": 0.05,
    "STABILIZE": 3, "DRIFT": 0.05, "CHANGE_SET": 0.08, "REFRESH": 0.05, "REFRESH_FAILURE": 0.4}.items()}
_ACCOUNTS = itertools.count(200000000001)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The running emulator, and the control API as methods."""

    def __init__(self, port, log):
        self.port, self.log = port, log
        self.url = f"http://127.0.0.1:{port}"

    def control(self, method, path, body=None, **query):
        target = f"{self.url}/_overlay/{path}"
        if query:
            target += "?" + "&".join(f"{k}={v}" for k, v in query.items())
        request = urllib.request.Request(
            target, method=method, data=None if body is None else json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=40) as answer:
            return json.loads(answer.read())

    def session(self, account, token=None, key=None, secret="test"):
        return Account(self, account, key or account, secret, token)


class Account:
    """Clients for one account; its 12-digit id is its access key, which is its root."""

    def __init__(self, server, account, key, secret, token):
        self.server, self.id = server, account
        self._credentials = dict(aws_access_key_id=key, aws_secret_access_key=secret,
                                 aws_session_token=token, region_name=REGION)
        self._clients = {}

    def __getattr__(self, service):
        name = {"sfn": "stepfunctions", "lambda_": "lambda", "cfn": "cloudformation",
                "asg": "autoscaling"}.get(service, service)
        if name not in self._clients:
            self._clients[name] = boto3.client(
                name, endpoint_url=self.server.url, **self._credentials,
                config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30))
        return self._clients[name]

    def control(self, method, path, body=None, **query):
        return self.server.control(method, path, body, account=self.id, region=REGION, **query)


class _Process(subprocess.Popen[bytes]):
    folder: pathlib.Path


def start(environment=None):
    port = _free_port()
    # What it writes goes with it.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="overlay-contract-"))
    log = folder / "log"
    env = {"PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
           "HOME": os.environ.get("HOME", "/"), "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port),
           "AUTH": "true", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(folder), **QUICK, **(environment or {})}
    with log.open("wb") as out:
        process = _Process([sys.executable, "-m", "overlay"], cwd=HERE.parent, env=env, stdout=out,
                           stderr=subprocess.STDOUT, start_new_session=True)
    process.folder = folder
    server = Server(port, log)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(f"{server.url}/_ministack/health", timeout=2).close()
            return server, process
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                said = log.read_text()[-3000:]
                stop(process)
                raise RuntimeError(f"the emulator did not start:\n{said}") from None
            time.sleep(0.1)


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.rmtree(process.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server():
    running, process = start()
    try:
        yield running
    finally:
        stop(process)


@pytest.fixture
def aws(server):
    """A fresh account, so that tests cannot see each other."""
    return server.session(str(next(_ACCOUNTS)))


@pytest.fixture
def acting(aws, server):
    """A session of a role with just these statements."""
    def assume(*statements, name="step"):
        trust = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{aws.id}:root",
                                             "Service": "cloudformation.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        aws.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        if statements:
            aws.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": list(statements)}))
        found = aws.sts.assume_role(RoleArn=f"arn:aws:iam::{aws.id}:role/{name}", RoleSessionName="step")["Credentials"]
        return server.session(aws.id, found["SessionToken"], found["AccessKeyId"], found["SecretAccessKey"])
    return assume


@contextlib.contextmanager
def call_held(aws, service, action, match):
    """In here calls with `match` in the request have no effect yet; gives what tells how many there are."""
    fault, = aws.control("POST", "faults", [
        {"service": service, "action": action, "kind": "hold", "match": match, "rate": 1}])["faults"]
    try:
        yield lambda: next(f["hits"] for f in aws.control("GET", "faults")["faults"] if f["id"] == fault["id"])
    finally:
        aws.control("DELETE", f"faults/{fault['id']}")


class Hold:
    """A hold that was made, see the control API."""

    def __init__(self, aws, number):
        self._aws, self.id = aws, number

    def waiting(self):
        """The names of what it holds now."""
        return self._aws.control("GET", f"holds/{self.id}")["waiting"]

    def caught(self):
        """The same, as soon as there is something."""
        found = self._aws.control("GET", f"holds/{self.id}", timeout=20)["waiting"]
        assert found, f"nothing came to hold {self.id} in 20 s"
        return found

    def step(self):
        """Let what it holds take one step."""
        self._aws.control("POST", f"holds/{self.id}")


@contextlib.contextmanager
def held(aws, what, resource=""):
    """In here the operations of this kind stay as they are."""
    hold = Hold(aws, aws.control("POST", "holds", {"what": what, "resource": resource})["id"])
    try:
        yield hold
    finally:
        with contextlib.suppress(urllib.error.HTTPError):
            aws.control("DELETE", f"holds/{hold.id}")


@pytest.fixture
def hundred_times_faster(server):
    """Waits and the delays of retries take a hundredth of their time."""
    def scale(by):
        urllib.request.urlopen(urllib.request.Request(
            f"{server.url}/_ministack/config", method="POST",
            data=json.dumps({"stepfunctions._SFN_WAIT_SCALE": by}).encode())).close()
    scale(0.01)
    yield
    scale(1)


def until(condition, seconds=60.0, what=None):
    """Poll until `condition()` is truthy; returns it. The time is for a machine that is busy, not for the server."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or inspect.getsource(condition).strip()} did not come true in {seconds} s")
        time.sleep(0.04)


def refused(code, call, *args, **kwargs):
    """Call, expect an AWS error of that code, and return its message."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]
