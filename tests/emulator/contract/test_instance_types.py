"""What an instance type can boot."""

from conftest import refused


def _described(aws, *names, **more):
    return {t["InstanceType"]: (t["ProcessorInfo"]["SupportedArchitectures"], t["SupportedVirtualizationTypes"],
                                t["SupportedBootModes"])
            for t in aws.ec2.describe_instance_types(**({"InstanceTypes": list(names)} if names else {}), **more)[
                "InstanceTypes"]}


def test_what_a_type_boots(aws):
    """API_InstanceTypeInfo; EC2 user guide, "Determine the supported boot modes of an instance type"."""
    nitro = (["x86_64"], ["hvm"], ["legacy-bios", "uefi"])
    graviton = (["arm64"], ["hvm"], ["uefi"])
    assert _described(aws, "t3.micro", "m5.2xlarge", "c5.large", "t4g.micro", "m6g.large", "t2.xlarge", "t2.micro") == {
        "t3.micro": nitro, "m5.2xlarge": nitro, "c5.large": nitro, "t4g.micro": graviton, "m6g.large": graviton,
        "t2.xlarge": (["x86_64"], ["hvm"], ["legacy-bios"]),
        "t2.micro": (["i386", "x86_64"], ["hvm"], ["legacy-bios"])}


def test_types_that_do_not_exist(aws):
    """scylladb/scylla-cluster-tests#12419."""
    assert refused("InvalidInstanceType", aws.ec2.describe_instance_types,
                   InstanceTypes=["t3.micro", "t3.tiny", "zz.top"]) == \
        "The following supplied instance types do not exist: [t3.tiny, zz.top]"


def test_filters_and_pages(aws):
    """API_DescribeInstanceTypes: MaxResults, NextToken, filters."""
    arm = _described(aws, Filters=[{"Name": "processor-info.supported-architecture", "Values": ["arm64"]}])
    assert "t4g.micro" in arm and "t3.micro" not in arm
    assert set(_described(aws, Filters=[{"Name": "instance-type", "Values": ["t4g.n*"]}])) == {"t4g.nano"}
    first = aws.ec2.describe_instance_types(MaxResults=5)
    assert len(first["InstanceTypes"]) == 5
    second = aws.ec2.describe_instance_types(MaxResults=5, NextToken=first["NextToken"])
    assert second["InstanceTypes"][0] not in first["InstanceTypes"]
