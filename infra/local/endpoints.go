package local

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

// Endpoint is where a person or a client reaches the stack.
type Endpoint struct {
	Name string `json:"name"` // "api"
	URL  string `json:"url"`
	What string `json:"what"`
}

// Endpoints lists every door of a placement.
func Endpoints(p images.Placement) []Endpoint {
	var es []Endpoint
	add := func(role images.Role, port images.Port, name, path, what string) {
		for _, m := range p.Of(role) {
			es = append(es, Endpoint{name, "http://" + m.At(port) + path, what})
		}
	}
	add(images.LoadBalancer, images.PortHTTP, "api", "", "the HTTP API, through the load balancer")
	add(images.CDN, images.PortHTTP, "cdn", "", "photos, through the edge's cache")
	add(images.Storage, images.PortStorage, "storage", "", "the object store, where phones upload")
	add(images.Monitoring, images.PortPrometheus, "graphs", "/user/", "what happens now, on one page")
	add(images.Monitoring, images.PortPrometheus, "prometheus", "/", "any query")
	add(images.Monitoring, images.PortAlertmanager, "alerts", "/api/v2/alerts", "what fires now, as JSON")
	add(images.Standin, images.PortAdmin, "standins", "/", "what Apple, Facebook, Twitter and Sentry would have received")
	return es
}

// export makes the endpoints and the machines' addresses outputs of the stack.
func (d *deployment) export() {
	endpoints := pulumi.StringMap{}
	for _, e := range Endpoints(d.placement) {
		endpoints[e.Name] = pulumi.String(e.URL)
	}
	d.ctx.Export("endpoints", endpoints)
	machines := pulumi.StringMap{}
	for _, m := range d.placement.Machines {
		machines[m.Name] = pulumi.String(m.Addr)
	}
	d.ctx.Export("machines", machines)
}
