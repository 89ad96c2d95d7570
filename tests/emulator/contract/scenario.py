"""Owns the things most contract tests need: an image, a stack with one group, its state."""

import json

from conftest import until

#: The image is the stack's parameter.
PARAMETER = {"Ref": "ImageId"}
LAUNCH_TEMPLATE = {
    "InstanceType": "t3.micro",
    "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "StackName", "Value": "web"}]}]}


def image(aws, name="base"):
    """A registered image of the account's own, available."""
    image_id = aws.ec2.register_image(
        Name=name, Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/xvda",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-0123456789abcdef0"}}],
    )["ImageId"]
    available(aws, image_id)
    return image_id


def available(aws, image_id):
    until(lambda: aws.ec2.describe_images(ImageIds=[image_id])["Images"][0]["State"] == "available",
          what=f"{image_id} available")


def template(image_id=PARAMETER, policy=None, **group):
    """A stack of a launch template and a 1/1 group, as CloudFormation wants it."""
    properties = {
        "MinSize": "1", "MaxSize": "1", "AvailabilityZones": ["us-east-1a"],
        "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"},
                           "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]}},
        "Tags": [{"Key": "Role", "Value": "web", "PropagateAtLaunch": True}], **group}
    resource = {"Type": "AWS::AutoScaling::AutoScalingGroup", "Properties": properties}
    if policy:
        resource["UpdatePolicy"] = policy
    body = {"Resources": {
        "Template": {"Type": "AWS::EC2::LaunchTemplate",
                     "Properties": {"LaunchTemplateData": {**LAUNCH_TEMPLATE, "ImageId": image_id}}},
        "Group": resource}, "Outputs": {"GroupName": {"Value": {"Ref": "Group"}},
                                        "TemplateId": {"Value": {"Ref": "Template"}}}}
    if image_id == PARAMETER:
        body["Parameters"] = {"ImageId": {"Type": "String"},
                              "Secret": {"Type": "String", "NoEcho": True, "Default": "hush"}}
    return json.dumps(body)


def settled(aws, stack):
    def look():
        found = aws.cfn.describe_stacks(StackName=stack)["Stacks"][0]
        return None if found["StackStatus"].endswith("_IN_PROGRESS") else found
    return until(look, what=f"stack {stack} settled")


def create(aws, body, parameters=None, stack="web"):
    aws.cfn.create_stack(StackName=stack, TemplateBody=body, Parameters=keyed(parameters or {}),
                         Capabilities=["CAPABILITY_IAM"])
    found = settled(aws, stack)
    assert found["StackStatus"] == "CREATE_COMPLETE", reasons(aws, stack)
    return {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}


def keyed(parameters):
    return [{"ParameterKey": k, **({"UsePreviousValue": True} if v is None else {"ParameterValue": v})}
            for k, v in parameters.items()]


def update(aws, stack="web", **parameters):
    aws.cfn.update_stack(StackName=stack, UsePreviousTemplate=True,
                         Parameters=keyed({"Secret": None, **parameters}))
    return settled(aws, stack)["StackStatus"]


def reasons(aws, stack="web"):
    return {f"{e['LogicalResourceId']} {e['ResourceStatus']}": e.get("ResourceStatusReason", "")
            for e in reversed(aws.cfn.describe_stack_events(StackName=stack)["StackEvents"])}


def group(aws, name):
    return aws.asg.describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0]


def in_service(aws, name):
    return [i for i in group(aws, name)["Instances"] if i["LifecycleState"] == "InService"]


def instance(aws, instance_id):
    return aws.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def replacement(aws, name, *old):
    """The id of the group's instance in service that is none of the old ones."""
    return until(lambda: next((i["InstanceId"] for i in in_service(aws, name)
                               if i["InstanceId"] not in old), None), what=f"a replacement in {name}")


def drift(aws, stack="web", **kwargs):
    """Run a detection to its end; (detection, {logical id: resource drift})."""
    detection_id = aws.cfn.detect_stack_drift(StackName=stack, **kwargs)["StackDriftDetectionId"]

    def look():
        status = aws.cfn.describe_stack_drift_detection_status(StackDriftDetectionId=detection_id)
        return status if status["DetectionStatus"] != "DETECTION_IN_PROGRESS" else None
    status = until(look, what="drift detection")
    drifts = aws.cfn.describe_stack_resource_drifts(StackName=stack)["StackResourceDrifts"]
    return status, {d["LogicalResourceId"]: d for d in drifts}


def queue(aws, name, *statements):
    """A queue with these statements in its policy: (url, ARN)."""
    url = aws.sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn, **s}
                                               for s in statements]})})
    return url, arn


def inbox(aws, pattern, name="inbox"):
    """A queue that a rule feeds with the events of a pattern; returns what fetches those that came."""
    url, arn = queue(aws, name, {"Principal": {"Service": "events.amazonaws.com"}})
    aws.events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    aws.events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": arn}])
    return lambda: [json.loads(message["Body"]) for message in aws.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]
