package aws

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// DashboardArgs say what the dashboard shows.
type DashboardArgs struct {
	Plan
	Edge      *Edge
	CDN       *CDN
	Postgres  *Postgres
	Redis     *Redis
	Memcached *Memcached
	Fleets    map[images.Role]*Fleet
}

// Dashboard is one page of what Amazon runs.
type Dashboard struct{ pulumi.ResourceState }

// NewDashboard provisions the dashboard.
func NewDashboard(ctx *pulumi.Context, name string, args *DashboardArgs, opts ...pulumi.ResourceOption) (*Dashboard, error) {
	d := &Dashboard{}
	if err := ctx.RegisterComponentResource("burbn:aws:Dashboard", name, d, opts...); err != nil {
		return nil, err
	}
	e := args.Edge
	body := pulumi.All(e.ALB, e.NLB, e.NginxGroup, e.APIGroup, args.CDN.Distribution.ToStringOutput()).ApplyT(func(ids []any) (string, error) {
		text := func(i int) string { s, _ := ids[i].(string); return s }
		return args.page(web{alb: text(0), nlb: text(1), nginx: text(2), api: text(3), cdn: text(4)})
	}).(pulumi.StringOutput)
	_, err := cloudwatch.NewDashboard(ctx, name+"-page", &cloudwatch.DashboardArgs{
		DashboardName: pulumi.String(args.resourceName("overview")), DashboardBody: body,
	}, pulumi.Parent(d))
	return d, err
}

// web is what only the cloud can answer: how CloudWatch calls what requests pass.
type web struct{ alb, nlb, nginx, api, cdn string }

// widget is a widget of a dashboard's body, in the structure of
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
type widget struct {
	Type       string `json:"type"`
	X          int    `json:"x"`
	Y          int    `json:"y"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	Properties any    `json:"properties"`
}

// graph is the properties of a widget of metrics. A line of Metrics is a namespace,
// a name and pairs of dimensions, and last what is drawn otherwise than the graph.
type graph struct {
	Title   string  `json:"title"`
	View    string  `json:"view"`
	Stacked bool    `json:"stacked"`
	Region  string  `json:"region"`
	Stat    string  `json:"stat"`
	Period  int     `json:"period"`
	Metrics [][]any `json:"metrics"`
	Axis    *axis   `json:"yAxis,omitempty"`
}

// axis is where the left one begins.
type axis struct {
	Left struct {
		Min int `json:"min"`
	} `json:"left"`
}

// page is the body of the dashboard: from the phones inwards, a row for each system.
func (p Plan) page(w web) (string, error) {
	const height, wide = 6, 24
	var widgets []widget
	row := func(title string, graphs ...graph) {
		y := 0
		if n := len(widgets); n > 0 {
			y = widgets[n-1].Y + widgets[n-1].Height
		}
		widgets = append(widgets, widget{Type: "text", Y: y, Width: wide, Height: 1, Properties: map[string]string{"markdown": "## " + title}})
		for i, g := range graphs {
			width := wide / len(graphs)
			widgets = append(widgets, widget{Type: "metric", X: i * width, Y: y + 1, Width: width, Height: height, Properties: g})
		}
	}
	draw := func(title, stat string, lines ...[]any) graph {
		return graph{Title: title, View: "timeSeries", Region: p.Topology.AWS.Region, Stat: stat, Period: 60, Metrics: lines, Axis: &axis{}}
	}
	line := func(v ...any) []any { return v }

	alb := func(name string, with ...any) []any {
		return append(line("AWS/ApplicationELB", name, "LoadBalancer", w.alb), with...)
	}
	row("Requests",
		draw("Requests a minute", "Sum", alb("RequestCount")),
		draw("Errors a minute", "Sum", alb("HTTPCode_Target_5XX_Count"), alb("HTTPCode_ELB_5XX_Count"), alb("HTTPCode_Target_4XX_Count"), alb("RejectedConnectionCount")),
		draw("Seconds to answer", "p50", alb("TargetResponseTime", map[string]string{"stat": "p50"}), alb("TargetResponseTime", map[string]string{"stat": "p99"})),
	)

	cdn := draw("Photos a minute", "Sum", line("AWS/CloudFront", "Requests", "DistributionId", w.cdn, "Region", "Global"))
	failing := draw("Share of them that fails", "Average",
		line("AWS/CloudFront", "5xxErrorRate", "DistributionId", w.cdn, "Region", "Global"),
		line("AWS/CloudFront", "4xxErrorRate", "DistributionId", w.cdn, "Region", "Global"))
	cdn.Region, failing.Region = "us-east-1", "us-east-1"
	row("Photos", cdn, failing)

	var machines, cpu [][]any
	for _, role := range fleetRoles() {
		group := p.resourceName(string(role))
		machines = append(machines, line("AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", group, map[string]string{"label": string(role)}))
		cpu = append(cpu, line("AWS/EC2", "CPUUtilization", "AutoScalingGroupName", group, map[string]string{"label": string(role)}))
	}
	row("Fleets",
		draw("Machines in service", "Minimum", machines...),
		draw("CPU, %", "Average", cpu...),
		draw("Healthy behind the balancers", "Minimum",
			line("AWS/ApplicationELB", "HealthyHostCount", "LoadBalancer", w.alb, "TargetGroup", w.nginx, map[string]string{"label": "nginx"}),
			line("AWS/NetworkELB", "HealthyHostCount", "LoadBalancer", w.nlb, "TargetGroup", w.api, map[string]string{"label": "api"})),
		draw("Oldest waiting task, seconds", "Maximum", line("burbn", "OldestTaskSeconds", "Stack", p.Stack)),
	)

	databases := func(role images.Role, name string) (lines [][]any) {
		for _, m := range p.Placement.Of(role) {
			lines = append(lines, line("AWS/RDS", name, "DBInstanceIdentifier", p.resourceName(m.Name), map[string]string{"label": m.Name}))
		}
		return lines
	}
	row("Databases",
		draw("CPU, %", "Average", databases(images.Postgres, "CPUUtilization")...),
		draw("Connections", "Maximum", databases(images.Postgres, "DatabaseConnections")...),
		draw("Read latency, seconds", "Average", databases(images.Postgres, "ReadLatency")...),
		draw("Write latency, seconds", "Average", databases(images.Postgres, "WriteLatency")...),
	)
	stored := []graph{draw("Free storage, bytes", "Minimum", databases(images.Postgres, "FreeStorageSpace")...)}
	if lag := databases(images.Replica, "ReplicaLag"); len(lag) > 0 {
		stored = append(stored, draw("Lag of the replicas, seconds", "Maximum", lag...))
	}
	row("Databases: what they store", stored...)

	redis := func(name string) (lines [][]any) {
		for _, node := range p.redisNodes() {
			lines = append(lines, line("AWS/ElastiCache", name, "CacheClusterId", node, "CacheNodeId", "0001", map[string]string{"label": node}))
		}
		return lines
	}
	row("Redis",
		draw("CPU of the engine, %", "Average", redis("EngineCPUUtilization")...),
		draw("Memory, %", "Maximum", redis("DatabaseMemoryUsagePercentage")...),
		draw("Lag of the replicas, seconds", "Maximum", redis("ReplicationLag")...),
	)

	memcached := func(name string) (lines [][]any) {
		for i, m := range p.Placement.Of(images.Memcached) {
			lines = append(lines, line("AWS/ElastiCache", name, "CacheClusterId", p.resourceName(string(images.Memcached)),
				"CacheNodeId", fmt.Sprintf("%04d", i+1), map[string]string{"label": m.Name}))
		}
		return lines
	}
	row("Memcached",
		draw("CPU, %", "Average", memcached("CPUUtilization")...),
		draw("Misses a minute", "Sum", memcached("GetMisses")...),
		draw("Evictions a minute", "Sum", memcached("Evictions")...),
	)

	body, err := json.MarshalIndent(map[string]any{"start": "-PT3H", "periodOverride": "inherit", "widgets": widgets}, "", "  ")
	return string(body), err
}
