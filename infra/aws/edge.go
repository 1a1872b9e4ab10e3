package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

const (
	// tlsPolicy is TLS 1.3, and 1.2 with forward secrecy and authenticated ciphers,
	// which every iOS and Android of these ten years has.
	tlsPolicy = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
	// strictTransport is two years of HTTPS alone.
	strictTransport = 2 * 365 * 24 * 60 * 60
	// drain is how long a machine that leaves may finish what it has begun: nginx and
	// the API give up by themselves after 25 seconds, systemd after 30.
	drain = 30
	// albIdle is shorter than nginx's keepalive_timeout of 75 seconds, so that it is
	// never nginx that closes a connection just as a request is sent on it.
	albIdle = 60
)

// EdgeArgs say what stands at the edge.
type EdgeArgs struct {
	Plan
	Network *Network
	Storage *Storage
}

// Edge is the way of a request from a phone to the API: the ALB with its certificate
// and firewall in front of the nginx fleet, the NLB between that and the API fleet,
// and the names of both.
type Edge struct {
	pulumi.ResourceState

	PublicZone pulumi.IDOutput // Route 53
	// NginxGroups and APIGroups are the ARNs of the target groups that the fleets
	// join, known once a listener sends requests to them: what joins earlier is never
	// found healthy. API machines take requests at images.PortHTTP.
	NginxGroups, APIGroups []pulumi.StringOutput
	// ALB, NLB, NginxGroup and APIGroup are as CloudWatch names them in the
	// dimensions LoadBalancer and TargetGroup.
	ALB, NLB, NginxGroup, APIGroup pulumi.StringOutput
}

// NewEdge provisions the edge.
func NewEdge(ctx *pulumi.Context, name string, args *EdgeArgs, opts ...pulumi.ResourceOption) (*Edge, error) {
	e := &Edge{}
	if err := ctx.RegisterComponentResource("burbn:aws:Edge", name, e, opts...); err != nil {
		return nil, err
	}
	public, err := route53.LookupZone(ctx, &route53.LookupZoneArgs{
		Name: pulumi.StringRef(args.Topology.AWS.Domains.Zone), PrivateZone: pulumi.BoolRef(false),
	}, pulumi.Parent(e))
	if err != nil {
		return nil, err
	}
	e.PublicZone = pulumi.ID(public.ZoneId).ToIDOutput()
	if err := e.front(ctx, name, args); err != nil {
		return nil, err
	}
	if err := e.middle(ctx, name, args); err != nil {
		return nil, err
	}
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{"alb": e.ALB, "nlb": e.NLB})
}

// front is the ALB and all that is in front of nginx.
func (e *Edge) front(ctx *pulumi.Context, name string, args *EdgeArgs) error {
	within := pulumi.Parent(e)
	cloud := args.Topology.AWS
	certificate, err := certify(ctx, name, cloud.Domains.API, e.PublicZone, e)
	if err != nil {
		return err
	}
	alb, err := lb.NewLoadBalancer(ctx, name+"-alb", &lb.LoadBalancerArgs{
		Name:                     pulumi.String(args.balancerName("alb")),
		LoadBalancerType:         pulumi.String("application"),
		Internal:                 pulumi.Bool(false),
		Subnets:                  ids(args.Network.Public),
		SecurityGroups:           ids([]pulumi.IDOutput{args.Network.Groups.ALB}),
		EnableDeletionProtection: pulumi.Bool(cloud.Protect),
		IdleTimeout:              pulumi.Int(albIdle),
		EnableHttp2:              pulumi.Bool(true),
		// A zone in trouble is taken out by one call of the on-call's.
		EnableZonalShift: pulumi.Bool(true),
		// Our apps send what RFC 9112 allows; whatever else is a trick to smuggle a request.
		DropInvalidHeaderFields: pulumi.Bool(true),
		DesyncMitigationMode:    pulumi.String("strictest"),
		XffHeaderProcessingMode: pulumi.String("append"),
		// The firewall only counts requests: its outage must not be ours.
		EnableWafFailOpen: pulumi.Bool(true),
		AccessLogs: lb.LoadBalancerAccessLogsArgs{
			Enabled: pulumi.Bool(true), Bucket: args.Storage.Logs.Bucket, Prefix: pulumi.String(albLogs),
		},
		// It tries to write a log at once.
	}, within, pulumi.DependsOn([]pulumi.Resource{args.Network.Internet, args.Storage.logsOpen}))
	if err != nil {
		return err
	}
	group, err := lb.NewTargetGroup(ctx, name+"-nginx", &lb.TargetGroupArgs{
		Name:                pulumi.String(args.balancerName("nginx-" + port(images.PortHTTP))),
		VpcId:               args.Network.VPC,
		TargetType:          pulumi.String("instance"),
		Protocol:            pulumi.String("HTTP"),
		Port:                pulumi.Int(int(images.PortHTTP)),
		DeregistrationDelay: pulumi.Int(drain),
		// A machine that has become slow gets less, one that is new the same as others:
		// nginx has nothing to warm up.
		LoadBalancingAlgorithmType: pulumi.String("least_outstanding_requests"),
		HealthCheck:                health("HTTP", images.PortStatus, "/healthz"),
	}, within)
	if err != nil {
		return err
	}
	secure, err := lb.NewListener(ctx, name+"-https", &lb.ListenerArgs{
		LoadBalancerArn: alb.Arn,
		Protocol:        pulumi.String("HTTPS"),
		Port:            pulumi.Int(int(portTLS)),
		SslPolicy:       pulumi.String(tlsPolicy),
		CertificateArn:  certificate,
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("forward"), TargetGroupArn: group.Arn,
		}},
		RoutingHttpResponseServerEnabled:                      pulumi.Bool(false),
		RoutingHttpResponseStrictTransportSecurityHeaderValue: pulumi.String("max-age=" + strconv.Itoa(strictTransport)),
	}, within)
	if err != nil {
		return err
	}
	if _, err := lb.NewListener(ctx, name+"-http", &lb.ListenerArgs{
		LoadBalancerArn: alb.Arn,
		Protocol:        pulumi.String("HTTP"),
		Port:            pulumi.Int(int(portPlain)),
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("redirect"),
			Redirect: lb.ListenerDefaultActionRedirectArgs{
				Protocol: pulumi.String("HTTPS"), Port: pulumi.String(port(portTLS)), StatusCode: pulumi.String("HTTP_301"),
			},
		}},
	}, within); err != nil {
		return err
	}
	if cloud.WAF.RequestsPer5Minutes > 0 {
		if err := limitRequests(ctx, name, args.Plan, alb.Arn, e); err != nil {
			return err
		}
	}
	e.NginxGroups = []pulumi.StringOutput{listening(group, secure)}
	e.ALB, e.NginxGroup = alb.ArnSuffix, group.ArnSuffix
	return lead(ctx, name+"-name", cloud.Domains.API, e.PublicZone, alb.DnsName, alb.ZoneId, e, "A")
}

// middle is the NLB between nginx and the API. nginx resolves its name once: its
// addresses stay the same, whichever machines are behind it.
func (e *Edge) middle(ctx *pulumi.Context, name string, args *EdgeArgs) error {
	within := pulumi.Parent(e)
	nlb, err := lb.NewLoadBalancer(ctx, name+"-nlb", &lb.LoadBalancerArgs{
		Name:             pulumi.String(args.balancerName("nlb")),
		LoadBalancerType: pulumi.String("network"),
		Internal:         pulumi.Bool(true),
		Subnets:          ids(args.Network.App),
		// An NLB made without a group can never be given one.
		SecurityGroups:           ids([]pulumi.IDOutput{args.Network.Groups.NLB}),
		EnableDeletionProtection: pulumi.Bool(args.Topology.AWS.Protect),
		// Every API machine takes as many requests, however many stand in a zone.
		EnableCrossZoneLoadBalancing: pulumi.Bool(true),
		EnableZonalShift:             pulumi.Bool(true),
	}, within)
	if err != nil {
		return err
	}
	group, err := lb.NewTargetGroup(ctx, name+"-api", &lb.TargetGroupArgs{
		Name:       pulumi.String(args.balancerName("api-" + port(images.PortHTTP))),
		VpcId:      args.Network.VPC,
		TargetType: pulumi.String("instance"),
		Protocol:   pulumi.String("TCP"),
		Port:       pulumi.Int(int(images.PortHTTP)),
		// The phone's address is in X-Forwarded-For. With nginx's kept as the packets' own,
		// the API's group had to let nginx in past the NLB, and a machine could not reach itself.
		PreserveClientIp:    pulumi.String("false"),
		DeregistrationDelay: pulumi.Int(drain),
		// An API machine that stops closes its connections between requests. Cutting them
		// at the end of the delay would cut requests.
		ConnectionTermination: pulumi.Bool(false),
		// One that is found unhealthy is no longer trusted to, so they are cut at once.
		TargetHealthStates: lb.TargetGroupTargetHealthStateArray{lb.TargetGroupTargetHealthStateArgs{
			EnableUnhealthyConnectionTermination: pulumi.Bool(true),
		}},
		HealthCheck: health("HTTP", images.PortAdmin, "/readyz"),
	}, within)
	if err != nil {
		return err
	}
	listener, err := lb.NewListener(ctx, name+"-api-listener", &lb.ListenerArgs{
		LoadBalancerArn: nlb.Arn,
		Protocol:        pulumi.String("TCP"),
		Port:            pulumi.Int(int(images.PortHTTP)),
		DefaultActions: lb.ListenerDefaultActionArray{lb.ListenerDefaultActionArgs{
			Type: pulumi.String("forward"), TargetGroupArn: group.Arn,
		}},
	}, within)
	if err != nil {
		return err
	}
	e.APIGroups = []pulumi.StringOutput{listening(group, listener)}
	e.NLB, e.APIGroup = nlb.ArnSuffix, group.ArnSuffix
	return lead(ctx, name+"-api-name", args.machine(images.API).Addr, args.Network.PrivateZone, nlb.DnsName, nlb.ZoneId, e, "A")
}

// health asks a machine every five seconds and takes it out after ten in which it did
// not say that it is well.
func health(protocol string, at images.Port, path string) lb.TargetGroupHealthCheckArgs {
	return lb.TargetGroupHealthCheckArgs{
		Protocol: pulumi.String(protocol), Port: pulumi.String(port(at)), Path: pulumi.String(path), Matcher: pulumi.String("200"),
		Interval: pulumi.Int(5), Timeout: pulumi.Int(3), HealthyThreshold: pulumi.Int(2), UnhealthyThreshold: pulumi.Int(2),
	}
}

// listening is the ARN of a group once a listener sends requests to it.
func listening(group *lb.TargetGroup, listener *lb.Listener) pulumi.StringOutput {
	return pulumi.All(group.Arn, listener.ID()).ApplyT(func(v []any) string { return v[0].(string) }).(pulumi.StringOutput)
}

func port(p images.Port) string { return strconv.Itoa(int(p)) }

// balancerName is the name of a balancer or target group, which Elastic Load Balancing
// wants within 32 letters, digits and hyphens. A part has at most ten. The stack's name
// is cut to what is left, and told from others that begin alike by its hash.
func (p Plan) balancerName(part string) string {
	stack := regexp.MustCompile(`[^A-Za-z0-9]+`).ReplaceAllString(p.Stack, "-")
	if sum := sha256.Sum256([]byte(p.Stack)); stack != p.Stack || len(stack) > 15 {
		stack = stack[:min(len(stack), 8)] + "-" + hex.EncodeToString(sum[:3])
	}
	return "burbn-" + stack + "-" + part
}
