// Package enginetest runs the program of the target aws through the real Pulumi
// engine, against a cloud in memory: it shows the order in which things are made and
// go, what an edit replaces, and what becomes of a deployment that fails halfway. It
// does not show that Amazon accepts a value; see infra/guard and infra/topology.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/burbn/burbn/infra/changes"
	"github.com/burbn/burbn/infra/fake"
)

// cloud is Amazon's, in memory, as far as an engine can tell.
type cloud struct {
	pulumirpc.UnimplementedResourceProviderServer

	mu        sync.Mutex
	resources map[string]resource.PropertyMap // what there is, by type and id
	log       []operation
	// failures are the creations that fail, once each, by logical name.
	failures map[string]error
	// hanging is told of the creation of a resource of a logical name, which is begun and
	// never answered; see hang.
	hanging map[string]chan struct{}
	// births count the resources that there have been, by type and name: none ever gets
	// the id of another.
	births map[string]int
	// drift is what somebody changed by hand, by logical name.
	drift map[string]resource.PropertyMap
}

// serve starts a cloud and returns it with the value of PULUMI_DEBUG_PROVIDERS that
// attaches it.
func serve(t *testing.T) (*cloud, string) {
	t.Helper()
	c := &cloud{resources: map[string]resource.PropertyMap{}, failures: map[string]error{}, hanging: map[string]chan struct{}{}, births: map[string]int{}, drift: map[string]resource.PropertyMap{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const most = 400 << 20 // as the engine's own limit
	s := grpc.NewServer(grpc.MaxRecvMsgSize(most), grpc.MaxSendMsgSize(most))
	pulumirpc.RegisterResourceProviderServer(s, c)
	go s.Serve(ln)
	t.Cleanup(s.Stop)
	port := ln.Addr().(*net.TCPAddr).Port
	return c, fmt.Sprintf("aws:%d,random:%d", port, port)
}

// since is what was done from the n-th operation on.
func (c *cloud) since(n int) []operation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log[n:])
}

func (c *cloud) note(verb, urn string) operation {
	u := resource.URN(urn)
	o := operation{verb, string(u.Type()), u.Name()}
	c.log = append(c.log, o)
	return o
}

func (c *cloud) CheckConfig(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

func (c *cloud) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

func (c *cloud) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, AcceptOutputs: true, SupportsPreview: true}, nil
}

func (c *cloud) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: "6.83.2"}, nil
}

func (c *cloud) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (c *cloud) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (c *cloud) Invoke(_ context.Context, r *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	args, err := read(r.GetArgs())
	if err != nil {
		return nil, err
	}
	out, err := write(fake.Answer(r.GetTok(), args))
	return &pulumirpc.InvokeResponse{Return: out}, err
}

func (c *cloud) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.GetNews()}, nil
}

// Diff replaces where package changes says so.
func (c *cloud) Diff(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	was, err := read(r.GetOldInputs())
	if err != nil {
		return nil, err
	}
	is, err := read(r.GetNews())
	if err != nil {
		return nil, err
	}
	d := was.Diff(is, func(k resource.PropertyKey) bool { return slices.Contains(r.GetIgnoreChanges(), string(k)) })
	if d == nil {
		return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
	}
	typ := string(resource.URN(r.GetUrn()).Type())
	answer := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_SOME}
	for _, k := range d.ChangedKeys() {
		answer.Diffs = append(answer.Diffs, string(k))
		if changes.Of(typ, string(k)).Replace {
			answer.Replaces = append(answer.Replaces, string(k))
		}
	}
	slices.Sort(answer.Diffs)
	return answer, nil
}

func (c *cloud) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	inputs, err := read(r.GetProperties())
	if err != nil {
		return nil, err
	}
	urn := resource.URN(r.GetUrn())
	if r.GetPreview() { // what the cloud adds is known once it has
		props, err := write(inputs)
		return &pulumirpc.CreateResponse{Properties: props}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failures[urn.Name()]; err != nil {
		delete(c.failures, urn.Name())
		return nil, err
	}
	id := fake.ID(urn.Name())
	born := string(urn.Type()) + " " + id
	if c.births[born]++; c.births[born] > 1 {
		id = fmt.Sprintf("%s.%d", id, c.births[born])
	}
	outputs := fake.Outputs(string(urn.Type()), urn.Name(), inputs)
	if _, ok := outputs["privateIp"]; ok {
		outputs["privateIp"] = resource.NewProperty(fmt.Sprintf("10.0.0.%d", 9+c.births[born])) // nor its address
	}
	c.resources[string(urn.Type())+" "+id] = outputs
	c.note("create", r.GetUrn())
	props, err := write(outputs)
	if err != nil {
		return nil, err
	}
	if begun := c.hanging[urn.Name()]; begun != nil {
		delete(c.hanging, urn.Name())
		close(begun)
		c.mu.Unlock()
		<-ctx.Done() // the engine is gone
		c.mu.Lock()
		return nil, ctx.Err()
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: props}, nil
}

func (c *cloud) Update(_ context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	inputs, err := read(r.GetNews())
	if err != nil {
		return nil, err
	}
	urn := resource.URN(r.GetUrn())
	outputs := fake.Outputs(string(urn.Type()), urn.Name(), inputs)
	props, err := write(outputs)
	if err != nil || r.GetPreview() {
		return &pulumirpc.UpdateResponse{Properties: props}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resources[string(urn.Type())+" "+r.GetId()] = outputs
	c.note("update", r.GetUrn())
	return &pulumirpc.UpdateResponse{Properties: props}, nil
}

func (c *cloud) Read(_ context.Context, r *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	urn := resource.URN(r.GetUrn())
	c.mu.Lock()
	there := c.resources[string(urn.Type())+" "+r.GetId()]
	changed := c.drift[urn.Name()]
	c.mu.Unlock()
	if there == nil {
		return &pulumirpc.ReadResponse{}, nil // gone
	}
	inputs, err := read(r.GetInputs())
	if err != nil {
		return nil, err
	}
	there = there.Copy()
	for k, v := range changed {
		there[k], inputs[k] = v, v
	}
	props, err := write(there)
	if err != nil {
		return nil, err
	}
	in, err := write(inputs)
	return &pulumirpc.ReadResponse{Id: r.GetId(), Properties: props, Inputs: in}, err
}

// Delete refuses what Amazon would: what is protected from deletion there, and what
// something else still refers to.
func (c *cloud) Delete(_ context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	urn := resource.URN(r.GetUrn())
	key := string(urn.Type()) + " " + r.GetId()
	c.mu.Lock()
	defer c.mu.Unlock()
	it := c.resources[key]
	for _, k := range []resource.PropertyKey{"deletionProtection", "enableDeletionProtection"} {
		if v, ok := it[k]; ok && v.IsBool() && v.BoolValue() {
			return nil, fmt.Errorf("%s is protected from deletion", urn.Name())
		}
	}
	if v, ok := it["forceDestroy"]; ok && v.IsBool() && v.BoolValue() {
		for object, props := range c.resources {
			if strings.HasPrefix(object, "aws:s3/bucketObject") && mentions(resource.NewProperty(props), r.GetId()) {
				delete(c.resources, object)
			}
		}
	}
	for other, props := range c.resources {
		if other != key && !onlyNames(other) && mentions(resource.NewProperty(props), r.GetId()) {
			return nil, fmt.Errorf("%s is still referred to by %s", urn.Name(), other)
		}
	}
	delete(c.resources, key)
	c.note("delete", r.GetUrn())
	return &emptypb.Empty{}, nil
}

// onlyNames says of a resource, by type and id, that it names others without holding
// them: Amazon lets an alarm watch, and a record lead to, what is gone.
func onlyNames(key string) bool {
	for _, typ := range []string{"aws:cloudwatch/metricAlarm:MetricAlarm ", "aws:cloudwatch/dashboard:Dashboard ", "aws:route53/record:Record "} {
		if strings.HasPrefix(key, typ) {
			return true
		}
	}
	return false
}

// mentions says whether a value is or contains the id.
func mentions(v resource.PropertyValue, id string) bool {
	switch {
	case v.IsSecret():
		return mentions(v.SecretValue().Element, id)
	case v.IsOutput():
		return mentions(v.OutputValue().Element, id)
	case v.IsString():
		return v.StringValue() == id
	case v.IsArray():
		return slices.ContainsFunc(v.ArrayValue(), func(e resource.PropertyValue) bool { return mentions(e, id) })
	case v.IsObject():
		for _, e := range v.ObjectValue() {
			if mentions(e, id) {
				return true
			}
		}
	}
	return false
}

func read(s *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, KeepOutputValues: false, SkipNulls: true})
}

func write(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true, SkipNulls: true})
}

var errOnce = errors.New("the cloud has no capacity just now")

// keys are those of the objects that there are.
func (c *cloud) keys() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	keys := map[string]bool{}
	for of, props := range c.resources {
		if strings.HasPrefix(of, object+" ") {
			keys[props["key"].StringValue()] = true
		}
	}
	return keys
}
