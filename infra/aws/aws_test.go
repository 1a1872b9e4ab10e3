package aws_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/burbn/burbn/infra/aws"
	"github.com/burbn/burbn/infra/topology"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// recorder answers registrations with their inputs and keeps them.
type recorder struct {
	mu        sync.Mutex
	resources map[string]pulumi.MockResourceArgs // by name
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources[args.Name] = args
	out := args.Inputs.Copy()
	out["arn"] = resource.NewProperty("arn:aws:test:::" + args.Name)
	out["domainName"] = resource.NewProperty(args.Name + ".example.net")
	out["bucketRegionalDomainName"] = resource.NewProperty(args.Name + ".s3.example.net")
	return args.Name + "-id", out, nil
}

func (r *recorder) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}

func deploy(t *testing.T) map[string]pulumi.MockResourceArgs {
	t.Helper()
	r := &recorder{resources: map[string]pulumi.MockResourceArgs{}}
	account := topology.Account{Region: "eu-west-1", Uploads: "example-uploads", Media: "example-media"}
	p := aws.Place(topology.Topology{Target: topology.AWS, AWS: account}, "dev")
	err := pulumi.RunErr(func(ctx *pulumi.Context) error { return aws.Deploy(ctx, p) }, pulumi.WithMocks("burbn", "dev", r))
	if err != nil {
		t.Fatal(err)
	}
	return r.resources
}

func TestEveryBucketIsPrivateEncryptedAndVersioned(t *testing.T) {
	resources := deploy(t)
	for _, bucket := range []string{"storage-uploads", "storage-media"} {
		b, ok := resources[bucket]
		if !ok {
			t.Fatalf("no bucket %s", bucket)
		}
		if protect := b.RegisterRPC.GetProtect(); !protect {
			t.Errorf("%s is not protected: a destroy would take the photos", bucket)
		}
		private := resources[bucket+"-private"].Inputs
		for _, k := range []resource.PropertyKey{"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"} {
			if !private[k].IsBool() || !private[k].BoolValue() {
				t.Errorf("%s: %s is not set", bucket, k)
			}
		}
		for _, part := range []string{"-encryption", "-versioning", "-ownership", "-lifecycle"} {
			if _, ok := resources[bucket+part]; !ok {
				t.Errorf("%s has no %s", bucket, part[1:])
			}
		}
	}
}

func TestOnlyTheDistributionReadsMediaAndNobodyWithoutTLS(t *testing.T) {
	resources := deploy(t)
	for name, allows := range map[string]int{"cdn-bucket-policy": 1, "storage-uploads-policy": 0} {
		var policy struct {
			Statement []struct {
				Sid, Effect string
				Action      string
				Principal   any
				Condition   map[string]map[string]string
			}
		}
		if err := json.Unmarshal([]byte(resources[name].Inputs["policy"].StringValue()), &policy); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var refusesHTTP bool
		for _, s := range policy.Statement {
			if s.Effect == "Allow" {
				allows--
				if got := s.Condition["StringEquals"]["AWS:SourceArn"]; got != "arn:aws:test:::cdn-distribution" || s.Action != "s3:GetObject" {
					t.Errorf("%s allows %s to %q", name, s.Action, got)
				}
			}
			refusesHTTP = refusesHTTP || s.Effect == "Deny" && s.Condition["Bool"]["aws:SecureTransport"] == "false"
		}
		if allows != 0 || !refusesHTTP {
			t.Errorf("%s: %d allowing statements too few, refuses plain HTTP: %t", name, allows, refusesHTTP)
		}
	}
}

func TestEveryResourceComesFromTheExplicitProvider(t *testing.T) {
	for name, r := range deploy(t) {
		if strings.HasPrefix(r.TypeToken, "aws:") && r.Provider == "" {
			t.Errorf("%s (%s) would use the default provider", name, r.TypeToken)
		}
	}
}
