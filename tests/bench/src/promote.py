"""The Python function of the benchmark: the two calls of a promotion with boto3, as a Lambda handler is usually
written, with its clients made once, while the function is initialised.

The loop at the end stands for Lambda's own (awslambdaric), and does less: it has no bootstrap, no log and no X-Ray.
"""

import http.client
import json
import os

import boto3

ec2 = boto3.client("ec2")
ssm = boto3.client("ssm")


def handler(event):
    image = ec2.describe_images(ImageIds=[event["imageId"]])["Images"][0]
    if image["State"] != "available":
        raise ValueError(f"{event['imageId']} is {image['State']}")
    return ssm.put_parameter(Name=event["parameterName"], Value=event["imageId"], Type="String",
                             DataType="aws:ec2:image", Overwrite=True)["Version"]


runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    invocation = runtime.getresponse()
    request = invocation.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = json.dumps(handler(json.loads(invocation.read())))
    runtime.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", answer)
    runtime.getresponse().read()
