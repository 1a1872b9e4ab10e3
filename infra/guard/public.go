package guard

import "slices"

// Types that several rules read.
const (
	typeSubnet      = "aws:ec2/subnet:Subnet"
	typeTemplate    = "aws:ec2/launchTemplate:LaunchTemplate"
	typeInstance    = "aws:ec2/instance:Instance"
	typeGroup       = "aws:autoscaling/group:Group"
	typeBalancer    = "aws:lb/loadBalancer:LoadBalancer"
	typeDatabase    = "aws:rds/instance:Instance"
	typeRedis       = "aws:elasticache/replicationGroup:ReplicationGroup"
	typeMemcached   = "aws:elasticache/cluster:Cluster"
	typeBucket      = "aws:s3/bucketV2:BucketV2"
	typeFunction    = "aws:lambda/function:Function"
	typeTopic       = "aws:sns/topic:Topic"
	typeLogGroup    = "aws:cloudwatch/logGroup:LogGroup"
	typeSecret      = "aws:secretsmanager/secret:Secret"
	typeKey         = "aws:kms/key:Key"
	typeVolume      = "aws:ebs/volume:Volume"
	typeInfra       = "aws:imagebuilder/infrastructureConfiguration:InfrastructureConfiguration"
	typeRecipe      = "aws:imagebuilder/imageRecipe:ImageRecipe"
	typeBucketGuard = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
)

// publicRules keep everything but the ALB and CloudFront out of the public's reach.
func publicRules() []Rule {
	return []Rule{
		{
			ID: "no-public-machine", Says: "No machine has a public address or stands in a subnet with a way in",
			Why: "a machine that can be reached is attacked within minutes", check: publicMachines,
		},
		{
			ID: "no-way-out-of-data", Says: "Databases and caches stand in subnets without a route to the world",
			Why: "whoever gets into one carries nothing away", check: dataSubnets,
		},
		{
			ID: "no-public-database", Says: "No database is publicly accessible",
			Why: "one password would be all that stands before the photos of everybody",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of(typeDatabase) {
					if r.on("publiclyAccessible") {
						refuse(r, "publiclyAccessible is true: accepted is false")
					}
				}
			},
		},
		{
			ID: "no-public-bucket", Says: "Every bucket refuses public access and access lists, whatever its policy says",
			Why: "a slip in a policy would publish every original, its location included", check: publicBuckets,
		},
		{
			ID: "no-public-function", Says: "No function has a URL or may be called by everybody",
			Why: "the function that migrates holds the owner's password",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of("aws:lambda/functionUrl:FunctionUrl") {
					refuse(r, "a function has a URL: accepted is none")
				}
				for _, r := range s.of("aws:lambda/permission:Permission") {
					if r.text("principal") == "*" {
						refuse(r, "everybody may call the function: accepted is a service of Amazon's")
					}
				}
			},
		},
		{
			ID: "one-public-balancer", Says: "The ALB alone faces the internet; every other balancer is internal",
			Why: "the NLB in front of the API would let phones past nginx, the firewall and TLS",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of(typeBalancer) {
					if r.text("loadBalancerType") != "application" && !r.on("internal") {
						refuse(r, "a %s balancer faces the internet: accepted is internal true", r.text("loadBalancerType"))
					}
				}
				for i, r := range s.of(typeBalancer) {
					if i > 0 && !r.on("internal") && slices.ContainsFunc(s.of(typeBalancer)[:i], func(o Resource) bool { return !o.on("internal") }) {
						refuse(r, "a second balancer faces the internet: accepted is one")
					}
				}
			},
		},
	}
}

// routed are the subnets from which a default route leads to a gateway of a kind.
func (s *State) routed(gateway func(route any) bool) map[string]bool {
	tables := map[string]bool{}
	for _, r := range s.of("aws:ec2/route:Route") {
		if gateway(r.in) {
			tables[r.text("routeTableId")] = true
		}
	}
	for _, table := range s.of("aws:ec2/routeTable:RouteTable") {
		if slices.ContainsFunc(table.list("routes"), gateway) {
			for ref, r := range s.byRef {
				if r.Name == table.Name && r.Type == table.Type {
					tables[ref] = true
				}
			}
		}
	}
	subnets := map[string]bool{}
	for _, r := range s.of("aws:ec2/routeTableAssociation:RouteTableAssociation") {
		if tables[r.text("routeTableId")] {
			subnets[r.text("subnetId")] = true
		}
	}
	return subnets
}

func (s *State) publicSubnets() map[string]bool {
	return s.routed(func(route any) bool {
		_, ok := s.ref("aws:ec2/internetGateway:InternetGateway", text(route, "gatewayId"))
		return ok
	})
}

func publicMachines(s *State, refuse refuse) {
	public := s.publicSubnets()
	for _, r := range s.of(typeSubnet) {
		if r.on("mapPublicIpOnLaunch") {
			refuse(r, "mapPublicIpOnLaunch gives every machine a public address: accepted is false")
		}
	}
	for _, r := range s.of(typeTemplate) {
		for _, n := range r.list("networkInterfaces") {
			if on(n, "associatePublicIpAddress") {
				refuse(r, "its machines get a public address: accepted is associatePublicIpAddress false")
			}
		}
	}
	for _, r := range s.of(typeInstance) {
		if r.on("associatePublicIpAddress") {
			refuse(r, "it gets a public address: accepted is associatePublicIpAddress false")
		}
	}
	for _, r := range s.of("aws:ec2/eip:Eip") {
		if r.at("instance") != nil || r.at("networkInterface") != nil {
			refuse(r, "a public address of a machine's: accepted are those of NAT gateways")
		}
	}
	for _, r := range s.of("aws:ec2/eipAssociation:EipAssociation") {
		refuse(r, "a public address of a machine's: accepted are those of NAT gateways")
	}
	for _, in := range []struct{ typ, path string }{
		{typeGroup, "vpcZoneIdentifiers"}, {typeInstance, "subnetId"}, {typeFunction, "vpcConfig.subnetIds"}, {typeInfra, "subnetId"},
	} {
		for _, r := range s.of(in.typ) {
			for _, subnet := range r.texts(in.path) {
				if public[subnet] {
					refuse(r, "it stands in the public subnet %s: accepted are the subnets for machines", subnet)
				}
			}
		}
	}
	for _, r := range s.of(typeBalancer) {
		for _, subnet := range r.texts("subnets") {
			if public[subnet] && r.on("internal") {
				refuse(r, "an internal balancer stands in the public subnet %s", subnet)
			}
		}
	}
}

func dataSubnets(s *State, refuse refuse) {
	out := s.routed(func(route any) bool {
		return text(route, "destinationCidrBlock") == anywhere || text(route, "cidrBlock") == anywhere ||
			text(route, "destinationIpv6CidrBlock") == anywhere6 || text(route, "ipv6CidrBlock") == anywhere6
	})
	for _, typ := range []string{"aws:rds/subnetGroup:SubnetGroup", "aws:elasticache/subnetGroup:SubnetGroup"} {
		for _, r := range s.of(typ) {
			for _, subnet := range r.texts("subnetIds") {
				if out[subnet] {
					refuse(r, "subnet %s has a default route: accepted are subnets with none", subnet)
				}
			}
		}
	}
}

func publicBuckets(s *State, refuse refuse) {
	guarded, owned := map[string]bool{}, map[string]bool{}
	for _, r := range s.of(typeBucketGuard) {
		b, ok := s.ref(typeBucket, r.text("bucket"))
		for _, k := range []string{"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"} {
			if !r.on(k) {
				refuse(r, "%s is not true", k)
			}
		}
		if ok {
			guarded[b.Name] = true
		}
	}
	for _, r := range s.of("aws:s3/bucketOwnershipControls:BucketOwnershipControls") {
		if r.text("rule.objectOwnership") != "BucketOwnerEnforced" {
			refuse(r, "objectOwnership is %q: accepted is BucketOwnerEnforced", r.text("rule.objectOwnership"))
		}
		if b, ok := s.ref(typeBucket, r.text("bucket")); ok {
			owned[b.Name] = true
		}
	}
	for _, r := range s.of(typeBucket) {
		if !guarded[r.Name] {
			refuse(r, "it has no BucketPublicAccessBlock")
		}
		if !owned[r.Name] {
			refuse(r, "it has no BucketOwnershipControls")
		}
	}
	for _, typ := range []string{"aws:s3/bucketAclV2:BucketAclV2", "aws:s3/bucketWebsiteConfigurationV2:BucketWebsiteConfigurationV2"} {
		for _, r := range s.of(typ) {
			refuse(r, "a bucket is opened by %s: accepted is a policy alone", typ)
		}
	}
}
