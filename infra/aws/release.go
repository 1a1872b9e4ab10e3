package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/release"
	"github.com/burbn/burbn/infra/topology"
	"github.com/burbn/burbn/services/settings"
)

// machineRoles are the roles that have machines of ours.
func machineRoles() []images.Role { return append(fleetRoles(), images.Monitoring) }

// releaseID is the release that the stack runs, which need not be known in full to be
// named.
func (p Plan) releaseID() string {
	if p.Topology.AWS.Pinned() {
		return p.Topology.AWS.Release
	}
	return p.Release.ID()
}

// manifestKey is where the artifact bucket has the manifest of a release.
func manifestKey(id string) string { return "releases/" + id + ".json" }

// Earlier is the release that the stack is to go back to, as the deployment that
// built it left its manifest in the artifact bucket.
func Earlier(ctx *pulumi.Context, t topology.Topology) (release.Release, error) {
	id, bucket := t.AWS.Release, t.AWS.Buckets.Artifacts
	provider, err := newProvider(ctx, "aws-releases", ctx.Stack(), t.AWS.Region)
	if err != nil {
		return nil, err
	}
	got, err := s3.GetObject(ctx, &s3.GetObjectArgs{Bucket: bucket, Key: manifestKey(id)}, pulumi.Provider(provider))
	if err != nil {
		return nil, fmt.Errorf("find release %s at s3://%s/%s: %w; accepted is build, or an id that is listed by: aws s3 ls s3://%s/releases/",
			id, bucket, manifestKey(id), err, bucket)
	}
	return release.Parse(id, got.Body)
}

// programObject is where a program of the release lies.
func (p Plan) programObject(program release.Program) settings.Object {
	key := "programs/" + program.Name + "-" + program.SHA256
	if program.Name == "migrate" {
		key += ".zip" // what Lambda takes
	}
	return settings.Object{Bucket: p.Topology.AWS.Buckets.Artifacts, Key: key, SHA256: program.SHA256}
}

// ReleaseArgs say what is delivered.
type ReleaseArgs struct {
	Plan
	Storage *Storage
}

// Release is what the machines fetch when they are born: the programs, and a bundle
// for each role, all under the address of their content. Nothing of it is ever
// deleted, so that every earlier release is still there to go back to.
type Release struct {
	pulumi.ResourceState

	// Programs by name, Bundles by role. They are known before they are uploaded.
	Programs map[string]settings.Object
	Bundles  map[images.Role]settings.Object
	// Uploaded are what must be there before a machine of a role is born, Program
	// before a program can be fetched. What an earlier release has uploaded is in
	// neither.
	Uploaded map[images.Role][]pulumi.Resource
	Program  map[string]pulumi.Resource
}

// NewRelease uploads the programs and bundles.
func NewRelease(ctx *pulumi.Context, name string, args *ReleaseArgs, opts ...pulumi.ResourceOption) (*Release, error) {
	r := &Release{
		Programs: map[string]settings.Object{}, Bundles: map[images.Role]settings.Object{},
		Uploaded: map[images.Role][]pulumi.Resource{}, Program: map[string]pulumi.Resource{},
	}
	if err := ctx.RegisterComponentResource("burbn:aws:Release", name, r, opts...); err != nil {
		return nil, err
	}
	u := uploader{ctx: ctx, component: name, bucket: args.Storage.Artifacts, parent: r}
	if err := r.programs(u, args.Plan); err != nil {
		return nil, err
	}
	for _, role := range machineRoles() {
		packed, manifest, err := args.bundle(role)
		if err != nil {
			return nil, err
		}
		object := settings.Object{
			Bucket: args.Topology.AWS.Buckets.Artifacts, Key: "bundles/" + string(role) + "-" + sum(packed) + ".tar.gz", SHA256: sum(packed),
		}
		uploaded, err := u.content(string(role)+"-bundle", object, packed)
		if err != nil {
			return nil, err
		}
		r.Bundles[role], r.Uploaded[role] = object, []pulumi.Resource{uploaded}
		for _, program := range manifest.Programs {
			for name, object := range r.Programs {
				if uploaded := r.Program[name]; uploaded != nil && object == program.Object {
					r.Uploaded[role] = append(r.Uploaded[role], uploaded)
				}
			}
		}
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"id": pulumi.String(args.releaseID())})
}

// programs uploads what was built, and when all of it is there the manifest: who finds
// a manifest finds its programs.
func (r *Release) programs(u uploader, p Plan) error {
	var all []pulumi.Resource
	for _, program := range p.Release {
		if !release.Linux(p.Topology.AWS.Architecture).Runs(program.Name) {
			continue // of an unknown release, which is every platform's
		}
		object := p.programObject(program)
		r.Programs[program.Name] = object
		if p.Topology.AWS.Pinned() && program.Path == "" {
			continue // who built it has uploaded it
		}
		uploaded, err := u.file(program.Name, object, program.Path)
		if err != nil {
			return err
		}
		r.Program[program.Name] = uploaded
		all = append(all, uploaded)
	}
	if p.Topology.AWS.Pinned() {
		return nil
	}
	manifest, err := p.Release.Manifest()
	if err != nil {
		return err
	}
	id := p.releaseID()
	_, err = u.put("manifest-"+id, &s3.BucketObjectv2Args{
		// Only of text, which this type says it is, Pulumi reads the content back.
		Key: pulumi.String(manifestKey(id)), Content: pulumi.String(manifest), ContentType: pulumi.String("application/json"),
	}, pulumi.DependsOn(all))
	return err
}

// uploader puts objects into the artifact bucket.
type uploader struct {
	ctx       *pulumi.Context
	component string
	bucket    *s3.BucketV2
	parent    pulumi.Resource
}

// content uploads what stands in memory, file what lies on this machine's disk.
func (u uploader) content(name string, object settings.Object, content []byte) (pulumi.Resource, error) {
	path, err := cached(content)
	if err != nil {
		return nil, fmt.Errorf("keep %s for its upload: %w", object.Key, err)
	}
	return u.file(name, object, path)
}

func (u uploader) file(name string, object settings.Object, path string) (pulumi.Resource, error) {
	return u.put(name+"-"+object.SHA256[:12], &s3.BucketObjectv2Args{
		Key: pulumi.String(object.Key), Source: pulumi.NewFileAsset(path), ContentType: pulumi.String("application/octet-stream"),
	})
}

// put registers an object. Its logical name has to be of its content: other content is
// another object, and the old one stays.
func (u uploader) put(name string, args *s3.BucketObjectv2Args, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	args.Bucket = u.bucket.ID()
	args.ServerSideEncryption = pulumi.String("AES256")
	args.ChecksumAlgorithm = pulumi.String("SHA256")
	return s3.NewBucketObjectv2(u.ctx, u.component+"-"+name, args, append(opts, pulumi.Parent(u.parent), pulumi.RetainOnDelete(true))...)
}
