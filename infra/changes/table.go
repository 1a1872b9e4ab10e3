package changes

import "strings"

func words(s string) []string { return strings.Fields(s) }

// What changes in place do.
const (
	rolls       = "replaces the fleet's machines, a few at a time"
	maintenance = "waits for the next maintenance window"
	renames     = "renames the database at once: it restarts, and has another address"
	restarts    = "restarts the database in the next maintenance window: about a minute without it, or a failover where it has a standby"
	storage     = "grows online, with more latency meanwhile; no other change of storage for six hours"
	failover    = "replaces the nodes one by one: a failover of seconds for each master"
	resharding  = "moves slots online, for minutes to hours, with more latency"
	loses       = "the nodes that go take their part of the cache along: misses until it is warm again"
)

// kinds is the table, by service.
func kinds() map[string]kind {
	all := map[string]kind{}
	for _, service := range []map[string]kind{network(), edge(), fleets(), databases(), caches(), objects(), watching(), rest()} {
		for typ, k := range service {
			all[typ] = k
		}
	}
	return all
}

func network() map[string]kind {
	return map[string]kind{
		"aws:ec2/vpc:Vpc":                             {replaces: words("cidrBlock ipv4IpamPoolId instanceTenancy")},
		"aws:ec2/subnet:Subnet":                       {replaces: words("vpcId cidrBlock availabilityZone availabilityZoneId ipv6CidrBlock outpostArn")},
		"aws:ec2/internetGateway:InternetGateway":     {},
		"aws:ec2/eip:Eip":                             {replaces: words("domain address networkBorderGroup publicIpv4Pool")},
		"aws:ec2/natGateway:NatGateway":               {replaces: words("subnetId allocationId connectivityType privateIp")},
		"aws:ec2/routeTable:RouteTable":               {replaces: words("vpcId")},
		"aws:ec2/defaultRouteTable:DefaultRouteTable": {replaces: words("defaultRouteTableId")},
		"aws:ec2/defaultNetworkAcl:DefaultNetworkAcl": {replaces: words("defaultNetworkAclId")},
		"aws:ec2/route:Route": {
			replaces:   words("routeTableId destinationCidrBlock destinationIpv6CidrBlock destinationPrefixListId"),
			interrupts: map[string]string{"natGatewayId": "open connections to the internet break, and come back by the other gateway"},
		},
		"aws:ec2/routeTableAssociation:RouteTableAssociation":                       {replaces: words("subnetId gatewayId")},
		"aws:ec2/vpcEndpoint:VpcEndpoint":                                           {replaces: words("vpcId serviceName vpcEndpointType")},
		"aws:ec2/vpcEndpointRouteTableAssociation:VpcEndpointRouteTableAssociation": {replaces: words("*")},
		"aws:ec2/flowLog:FlowLog":                                                   {replaces: words("vpcId logDestination logDestinationType trafficType iamRoleArn logFormat maxAggregationInterval logGroupName subnetId eniId destinationOptions deliverCrossAccountRole")},
		"aws:ec2/defaultSecurityGroup:DefaultSecurityGroup":                         {replaces: words("vpcId")},
		"aws:ec2/securityGroup:SecurityGroup":                                       {replaces: words("name namePrefix description vpcId")},
		"aws:ec2/securityGroupRule:SecurityGroupRule":                               {replaces: words("type fromPort toPort protocol securityGroupId sourceSecurityGroupId self cidrBlocks ipv6CidrBlocks prefixListIds")},
		"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":                 {replaces: words("securityGroupId")},
		"aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule":                   {replaces: words("securityGroupId")},
		"aws:route53/zone:Zone":                                                     {replaces: words("name delegationSetId")},
		"aws:route53/record:Record":                                                 {replaces: words("name type zoneId setIdentifier")},
	}
}

func edge() map[string]kind {
	return map[string]kind{
		"aws:lb/loadBalancer:LoadBalancer":                    {replaces: words("name namePrefix internal loadBalancerType customerOwnedIpv4Pool")},
		"aws:lb/targetGroup:TargetGroup":                      {replaces: words("name namePrefix port protocol protocolVersion vpcId targetType ipAddressType")},
		"aws:lb/listener:Listener":                            {replaces: words("loadBalancerArn")},
		"aws:acm/certificate:Certificate":                     {replaces: words("domainName subjectAlternativeNames validationMethod keyAlgorithm certificateAuthorityArn privateKey")},
		"aws:acm/certificateValidation:CertificateValidation": {replaces: words("*")},
		"aws:wafv2/webAcl:WebAcl":                             {replaces: words("name scope")},
		"aws:wafv2/webAclAssociation:WebAclAssociation":       {replaces: words("*")},
		"aws:cloudfront/distribution:Distribution": {interrupts: map[string]string{
			"origins": "reaches every edge within minutes", "aliases": "reaches every edge within minutes",
		}},
		"aws:cloudfront/originAccessControl:OriginAccessControl":       {},
		"aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy":   {},
		"aws:cloudfront/cachePolicy:CachePolicy":                       {},
		"aws:cloudwatch/logDeliverySource:LogDeliverySource":           {replaces: words("name resourceArn logType")},
		"aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": {replaces: words("name outputFormat")},
		"aws:cloudwatch/logDelivery:LogDelivery":                       {replaces: words("deliverySourceName deliveryDestinationArn")},
	}
}

func fleets() map[string]kind {
	return map[string]kind{
		"aws:ec2/launchTemplate:LaunchTemplate": {replaces: words("name namePrefix")},
		"aws:autoscaling/group:Group": {replaces: words("name namePrefix"), interrupts: map[string]string{
			"launchTemplate": rolls, "minSize": "", "maxSize": "",
		}},
		"aws:autoscaling/policy:Policy":               {replaces: words("name autoscalingGroupName")},
		"aws:autoscaling/lifecycleHook:LifecycleHook": {replaces: words("name autoscalingGroupName")},
		"aws:autoscaling/notification:Notification":   {},
		"aws:ec2/instance:Instance": {
			replaces: words("ami subnetId availabilityZone keyName userData userDataBase64 associatePublicIpAddress privateIp rootBlockDevice.encrypted rootBlockDevice.kmsKeyId launchTemplate.id placementGroup tenancy cpuOptions hibernation"),
			interrupts: map[string]string{
				"instanceType": "stops the machine and starts it again: some minutes",
			},
		},
		"aws:ebs/volume:Volume": {data: true, replaces: words("availabilityZone encrypted kmsKeyId snapshotId outpostArn multiAttachEnabled"), interrupts: map[string]string{
			"size": storage, "type": storage, "iops": storage, "throughput": storage,
		}},
		"aws:ec2/volumeAttachment:VolumeAttachment":                                {replaces: words("deviceName instanceId volumeId")},
		"aws:iam/role:Role":                                                        {replaces: words("name namePrefix path")},
		"aws:iam/rolePolicy:RolePolicy":                                            {replaces: words("name namePrefix role")},
		"aws:iam/policy:Policy":                                                    {replaces: words("name namePrefix path description")},
		"aws:iam/rolePolicyAttachment:RolePolicyAttachment":                        {replaces: words("*")},
		"aws:iam/instanceProfile:InstanceProfile":                                  {replaces: words("name namePrefix path")},
		"aws:imagebuilder/component:Component":                                     {replaces: words("name platform version data uri changeDescription description kmsKeyId supportedOsVersions")},
		"aws:imagebuilder/imageRecipe:ImageRecipe":                                 {replaces: words("name version parentImage components blockDeviceMappings workingDirectory userDataBase64 description systemsManagerAgent")},
		"aws:imagebuilder/infrastructureConfiguration:InfrastructureConfiguration": {replaces: words("name")},
		"aws:imagebuilder/distributionConfiguration:DistributionConfiguration":     {replaces: words("name")},
		"aws:imagebuilder/image:Image":                                             {replaces: words("imageRecipeArn containerRecipeArn infrastructureConfigurationArn distributionConfigurationArn enhancedImageMetadataEnabled imageTestsConfiguration imageScanningConfiguration executionRole workflows")},
		"aws:imagebuilder/lifecyclePolicy:LifecyclePolicy":                         {replaces: words("name resourceType")},
	}
}

func databases() map[string]kind {
	return map[string]kind{
		"aws:rds/instance:Instance": {data: true,
			replaces: words("engine username dbName kmsKeyId storageEncrypted availabilityZone snapshotIdentifier characterSetName ncharCharacterSetName timezone customIamInstanceProfile restoreToPointInTime s3Import backupTarget engineLifecycleSupport"),
			interrupts: map[string]string{
				"identifier": renames, "identifierPrefix": renames,
				"instanceClass": restarts, "engineVersion": restarts, "parameterGroupName": restarts, "dbSubnetGroupName": restarts, "caCertIdentifier": restarts,
				"multiAz":          maintenance,
				"allocatedStorage": storage, "iops": storage, "storageThroughput": storage, "storageType": storage,
				"replicateSourceDb":     "promotes the replica: it follows no more",
				"backupRetentionPeriod": "to or from 0 restarts the database",
			}},
		"aws:rds/parameterGroup:ParameterGroup": {replaces: words("name namePrefix family description"), interrupts: map[string]string{
			"parameters": "a static parameter takes effect when the database restarts",
		}},
		"aws:rds/subnetGroup:SubnetGroup":                                  {replaces: words("name namePrefix")},
		"aws:rds/eventSubscription:EventSubscription":                      {replaces: words("name namePrefix snsTopic")},
		"aws:secretsmanager/secret:Secret":                                 {data: true, replaces: words("name namePrefix")},
		"aws:secretsmanager/secretVersion:SecretVersion":                   {replaces: words("secretId secretString secretBinary")},
		"aws:secretsmanager/secretRotation:SecretRotation":                 {replaces: words("secretId")},
		"aws:secretsmanager/secretPolicy:SecretPolicy":                     {replaces: words("secretArn")},
		"aws:serverlessrepository/cloudFormationStack:CloudFormationStack": {replaces: words("name applicationId")},
		"aws:kms/key:Key":                                                {data: true, replaces: words("keyUsage customerMasterKeySpec multiRegion customKeyStoreId xksKeyId")},
		"aws:kms/alias:Alias":                                            {replaces: words("name namePrefix")},
		"aws:lambda/function:Function":                                   {replaces: words("name packageType")},
		"aws:lambda/layerVersion:LayerVersion":                           {replaces: words("*")},
		"aws:lambda/permission:Permission":                               {replaces: words("*")},
		"aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": {replaces: words("functionName qualifier")},
		"aws:lambda/invocation:Invocation":                               {replaces: words("functionName input qualifier triggers")},
		"random:index/randomPassword:RandomPassword":                     {data: true, replaces: words("*")},
		"random:index/randomBytes:RandomBytes":                           {data: true, replaces: words("*")},
		"random:index/randomId:RandomId":                                 {replaces: words("*")},
	}
}

func caches() map[string]kind {
	return map[string]kind{
		"aws:elasticache/replicationGroup:ReplicationGroup": {data: true,
			// From valkey back to redis and to an older version it is made anew too; the topology
			// refuses both.
			replaces: words("replicationGroupId atRestEncryptionEnabled kmsKeyId subnetGroupName port networkType securityGroupNames dataTieringEnabled snapshotArns snapshotName globalReplicationGroupId"),
			interrupts: map[string]string{
				"engine": failover, "nodeType": failover, "engineVersion": failover, "parameterGroupName": "",
				"numNodeGroups": resharding, "replicasPerNodeGroup": "",
				"authToken": "clients with the old token are refused once it is set",
			}},
		"aws:elasticache/cluster:Cluster": {
			// nodeType: of memcached, which is the only engine here.
			replaces: words("clusterId engine nodeType subnetGroupName port availabilityZone replicationGroupId networkType transitEncryptionEnabled snapshotArns snapshotName"),
			interrupts: map[string]string{
				"numCacheNodes": loses, "parameterGroupName": "", "engineVersion": "every node starts anew, empty",
			}},
		"aws:elasticache/parameterGroup:ParameterGroup": {replaces: words("name family description")},
		"aws:elasticache/subnetGroup:SubnetGroup":       {replaces: words("name")},
	}
}

func objects() map[string]kind {
	return map[string]kind{
		"aws:s3/bucketV2:BucketV2":                                                                   {data: true, replaces: words("bucket bucketPrefix objectLockEnabled")},
		"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":                                     {replaces: words("bucket")},
		"aws:s3/bucketOwnershipControls:BucketOwnershipControls":                                     {replaces: words("bucket")},
		"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": {replaces: words("bucket expectedBucketOwner")},
		"aws:s3/bucketVersioningV2:BucketVersioningV2":                                               {replaces: words("bucket expectedBucketOwner")},
		"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2":                       {replaces: words("bucket expectedBucketOwner")},
		"aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2":                                 {replaces: words("bucket expectedBucketOwner")},
		"aws:s3/bucketPolicy:BucketPolicy":                                                           {replaces: words("bucket")},
		"aws:s3/bucketLoggingV2:BucketLoggingV2":                                                     {replaces: words("bucket")},
		"aws:s3/bucketNotification:BucketNotification":                                               {replaces: words("bucket")},
		"aws:s3/bucketObjectv2:BucketObjectv2":                                                       {replaces: words("bucket key")},
	}
}

func watching() map[string]kind {
	return map[string]kind{
		"aws:cloudwatch/metricAlarm:MetricAlarm":             {replaces: words("name")},
		"aws:cloudwatch/compositeAlarm:CompositeAlarm":       {replaces: words("alarmName")},
		"aws:cloudwatch/dashboard:Dashboard":                 {replaces: words("dashboardName")},
		"aws:cloudwatch/logGroup:LogGroup":                   {replaces: words("name namePrefix logGroupClass")},
		"aws:cloudwatch/logMetricFilter:LogMetricFilter":     {replaces: words("name logGroupName")},
		"aws:cloudwatch/logResourcePolicy:LogResourcePolicy": {replaces: words("policyName")},
		"aws:cloudwatch/eventRule:EventRule":                 {replaces: words("name namePrefix eventBusName")},
		"aws:cloudwatch/eventTarget:EventTarget":             {replaces: words("rule targetId eventBusName")},
		"aws:sns/topic:Topic":                                {replaces: words("name namePrefix fifoTopic")},
		"aws:sns/topicPolicy:TopicPolicy":                    {replaces: words("arn")},
		"aws:sns/topicSubscription:TopicSubscription":        {replaces: words("topic protocol endpoint")},
		"aws:budgets/budget:Budget":                          {replaces: words("name namePrefix accountId")},
	}
}

// rest is what belongs to the engine.
func rest() map[string]kind {
	return map[string]kind{
		"pulumi:providers:aws":         {interrupts: map[string]string{"region": "a stack never changes its region: its resources would be lost to it"}},
		"pulumi:providers:random":      {},
		"pulumi:pulumi:StackReference": {},
	}
}
