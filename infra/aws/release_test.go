package aws_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/infra/release"
)

// objects are what is uploaded, by key.
func objects(t *testing.T, rs map[string]record.Resource) map[string]record.Resource {
	t.Helper()
	found := map[string]record.Resource{}
	for name, r := range rs {
		if r.Type == "aws:s3/bucketObjectv2:BucketObjectv2" {
			found[inputs(t, rs, name)["key"].(string)] = r
		}
	}
	return found
}

func TestWhatIsDeliveredStaysUnderTheAddressOfItsContent(t *testing.T) {
	top := sample()
	r := release.Unknown()
	rs := of(t, top, r)
	var kinds []string
	for key, o := range objects(t, rs) {
		if !o.RetainOnDelete {
			t.Errorf("%s goes with the release: there would be nothing to go back to", key)
		}
		in := o.Inputs.Mappable()
		is(t, key+": encryption", in["serverSideEncryption"], "AES256")
		is(t, key+": bucket", in["bucket"], fake.ID("storage-artifacts"))
		folder, name, _ := strings.Cut(key, "/")
		if i := strings.LastIndex(name, "-"); i > 0 {
			name = name[:i]
		}
		kinds = append(kinds, folder+"/"+name)
	}
	slices.Sort(kinds)
	want := []string{
		"bundles/api", "bundles/monitoring", "bundles/nginx", "bundles/push", "bundles/worker",
		"programs/api", "programs/machine", "programs/memcached_exporter", "programs/migrate", "programs/push", "programs/worker",
		"recipes/api", "recipes/monitoring", "recipes/nginx", "recipes/push", "recipes/worker",
		"releases/" + r.ID() + ".json",
	}
	if !slices.Equal(kinds, want) {
		t.Errorf("it delivers %q, not %q", kinds, want)
	}
	manifest := rs["release-manifest-"+r.ID()]
	var sums map[string]string
	if err := json.Unmarshal([]byte(manifest.Inputs["content"].StringValue()), &sums); err != nil || sums["api"] == "" {
		t.Errorf("the manifest lists %v (%v)", sums, err)
	}
	for _, program := range []string{"api", "memcached_exporter", "migrate", "push", "worker"} {
		if !slices.ContainsFunc(manifest.DependsOn, func(name string) bool { return strings.HasPrefix(name, "release-"+program+"-") }) {
			t.Errorf("the manifest may be there before %s", program)
		}
	}
}

// Going back uploads no program but that of the machine images, and runs the earlier
// ones; the machine images stay as they are.
func TestGoingBack(t *testing.T) {
	top := sample()
	now := of(t, top, release.Unknown())

	var earlier release.Release
	for _, p := range changed("api") {
		switch {
		case p.Name == "machine":
			p.Path = "bin/linux-arm64/machine"
			earlier = append(earlier, p)
		case release.Linux("arm64").Runs(p.Name):
			earlier = append(earlier, p)
		}
	}
	top.AWS.Release = earlier.ID()
	back := of(t, top, earlier)
	for key := range objects(t, back) {
		if strings.HasPrefix(key, "programs/") && !strings.HasPrefix(key, "programs/machine-") || strings.HasPrefix(key, "releases/") {
			t.Errorf("%s is uploaded again, and nobody has built it", key)
		}
	}
	for _, fleet := range fleets {
		same := now[fleet+"-template"].Inputs.DeepEquals(back[fleet+"-template"].Inputs)
		if same == (fleet == "api") {
			t.Errorf("the template of %s stays the same: %t", fleet, same)
		}
		if !now["images-"+fleet+"-component"].Inputs.DeepEquals(back["images-"+fleet+"-component"].Inputs) {
			t.Errorf("going back bakes the image of %s", fleet)
		}
	}
}

// bucket answers for the artifact bucket.
type bucket struct{ objects map[string]string }

func (bucket) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return fake.ID(args.Name), args.Inputs, nil
}

func (b bucket) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	text, ok := b.objects[args.Args["bucket"].StringValue()+"/"+args.Args["key"].StringValue()]
	if !ok {
		return nil, errors.New("couldn't find resource")
	}
	return resource.PropertyMap{"body": resource.NewProperty(text)}, nil
}

func TestEarlier(t *testing.T) {
	r := slices.DeleteFunc(release.Unknown(), func(p release.Program) bool { return p.Name == "machine" })
	text, err := r.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	b := bucket{map[string]string{"example-artifacts/releases/" + r.ID() + ".json": text, "example-artifacts/releases/0123456789ab.json": text}}
	for name, c := range map[string]struct{ id, says string }{
		"known":   {r.ID(), ""},
		"unknown": {"ffffffffffff", "find release ffffffffffff at s3://example-artifacts/releases/ffffffffffff.json: "},
		"listed":  {"ffffffffffff", "aws s3 ls s3://example-artifacts/releases/"},
		"edited":  {"0123456789ab", "what it lists is release " + r.ID()},
	} {
		t.Run(name, func(t *testing.T) {
			top := sample()
			top.AWS.Release = c.id
			err := pulumi.RunErr(func(ctx *pulumi.Context) error {
				got, err := aws.Earlier(ctx, top)
				if err == nil && !slices.Equal(got, r) {
					t.Errorf("it is %v", got)
				}
				return err
			}, pulumi.WithMocks("burbn", "production", b))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%v", err)
			}
		})
	}
}
