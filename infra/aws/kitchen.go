package aws

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/imagebuilder"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
)

const (
	// Images are kept for as long as somebody may want to go back, and the newest few of
	// each role however old they are.
	imageDays  = 90
	imagesLeft = 5
)

// kitchen is what every role's image is baked in: the machine, as whom it acts, and
// what becomes of what is no longer used.
type kitchen struct {
	ctx            *pulumi.Context
	name           string
	args           *MachineImagesArgs
	parent         pulumi.Resource
	infrastructure *imagebuilder.InfrastructureConfiguration
	ready          []pulumi.Resource
}

func newKitchen(ctx *pulumi.Context, name string, args *MachineImagesArgs, parent pulumi.Resource) (*kitchen, error) {
	k := &kitchen{ctx: ctx, name: name, args: args, parent: parent}
	who, err := k.identity()
	if err != nil {
		return nil, err
	}
	// Without a way out there is no package to fetch.
	k.ready = slices.Concat(who.ready, args.Network.Ready)
	k.infrastructure, err = imagebuilder.NewInfrastructureConfiguration(ctx, name+"-infrastructure", &imagebuilder.InfrastructureConfigurationArgs{
		Name:                args.nameOf("bake"),
		InstanceTypes:       pulumi.ToStringArray([]string{bakeInstance(args.Topology.AWS.Architecture)}),
		InstanceProfileName: who.profile.Name,
		SubnetId:            args.Network.App[0],
		SecurityGroupIds:    pulumi.StringArray{args.Network.Groups.Bake},
		// A machine that failed is of no use: what went wrong stands in the logs.
		TerminateInstanceOnFailure: pulumi.Bool(true),
		InstanceMetadataOptions: imagebuilder.InfrastructureConfigurationInstanceMetadataOptionsArgs{
			HttpTokens: pulumi.String("required"), HttpPutResponseHopLimit: pulumi.Int(1),
		},
		Logging: imagebuilder.InfrastructureConfigurationLoggingArgs{S3Logs: imagebuilder.InfrastructureConfigurationLoggingS3LogsArgs{
			S3BucketName: pulumi.String(args.Topology.AWS.Buckets.Logs), S3KeyPrefix: pulumi.String(bakeLogs),
		}},
		ResourceTags: pulumi.StringMap{"Name": args.nameOf("bake"), "stack": pulumi.String(args.Stack), "project": pulumi.String("burbn")},
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, err
	}
	return k, k.forget()
}

// bakeLogs is where the bucket of logs has those of the bakes.
const bakeLogs = "image-builder"

// bakeInstance is what bakes: two cores and 4 GB, of a class that every zone has.
func bakeInstance(arch string) string {
	if arch == "arm64" {
		return "t4g.medium"
	}
	return "t3.medium"
}

// identity is as whom the machine acts that bakes. What Image Builder and Systems
// Manager need of it is theirs to say, in two policies of Amazon's: the machine has no
// data, lives for minutes and is reached by nobody else. Ours adds the recipes and the
// logs.
func (k *kitchen) identity() (identity, error) {
	b := k.args.Topology.AWS.Buckets
	own, err := policy(
		allow("Recipes", []string{"arn:aws:s3:::" + b.Artifacts + "/recipes/*", "arn:aws:s3:::" + b.Artifacts + "/programs/machine-*"}, "s3:GetObject"),
		allow("Logs", []string{"arn:aws:s3:::" + b.Logs + "/" + bakeLogs + "/*"}, "s3:PutObject"),
	)
	if err != nil {
		return identity{}, err
	}
	who, err := newIdentity(k.ctx, k.name+"-bake", k.args.resourceName("bake"), pulumi.String(own), k.parent)
	if err != nil {
		return identity{}, err
	}
	for _, amazons := range []string{"EC2InstanceProfileForImageBuilder", "AmazonSSMManagedInstanceCore"} {
		attached, err := iam.NewRolePolicyAttachment(k.ctx, k.name+"-bake-"+amazons, &iam.RolePolicyAttachmentArgs{
			Role: who.profile.Role.Elem(), PolicyArn: pulumi.String("arn:aws:iam::aws:policy/" + amazons),
		}, pulumi.Parent(k.parent))
		if err != nil {
			return identity{}, err
		}
		who.ready = append(who.ready, attached)
	}
	return who, nil
}

// forget deletes images that are neither new nor in use, with their snapshots.
func (k *kitchen) forget() error {
	trust, err := trusts("imagebuilder.amazonaws.com")
	if err != nil {
		return err
	}
	within := pulumi.Parent(k.parent)
	role, err := iam.NewRole(k.ctx, k.name+"-forget-role", &iam.RoleArgs{Name: k.args.nameOf("forget-images"), AssumeRolePolicy: pulumi.String(trust)}, within)
	if err != nil {
		return err
	}
	attached, err := iam.NewRolePolicyAttachment(k.ctx, k.name+"-forget-attachment", &iam.RolePolicyAttachmentArgs{
		Role: role.Name, PolicyArn: pulumi.String("arn:aws:iam::aws:policy/service-role/EC2ImageBuilderLifecycleExecutionPolicy"),
	}, within)
	if err != nil {
		return err
	}
	for _, r := range machineRoles() {
		if err := k.forgetImagesOf(r, role, attached); err != nil {
			return err
		}
	}
	return nil
}

func (k *kitchen) forgetImagesOf(role images.Role, as *iam.Role, attached pulumi.Resource) error {
	unit, value := pulumi.String("DAYS"), pulumi.Int(imageDays)
	_, err := imagebuilder.NewLifecyclePolicy(k.ctx, k.name+"-"+string(role)+"-forget", &imagebuilder.LifecyclePolicyArgs{
		Name:          k.args.nameOf(fmt.Sprintf("forget-%s", role)),
		ExecutionRole: as.Arn,
		ResourceType:  pulumi.String("AMI_IMAGE"),
		Status:        pulumi.String("ENABLED"),
		// By tag: the recipes' names change with what they bake.
		ResourceSelection: imagebuilder.LifecyclePolicyResourceSelectionArgs{TagMap: pulumi.StringMap{
			"stack": pulumi.String(k.args.Stack), "role": pulumi.String(role),
		}},
		PolicyDetails: imagebuilder.LifecyclePolicyPolicyDetailArray{imagebuilder.LifecyclePolicyPolicyDetailArgs{
			Action: imagebuilder.LifecyclePolicyPolicyDetailActionArgs{
				Type:             pulumi.String("DELETE"),
				IncludeResources: imagebuilder.LifecyclePolicyPolicyDetailActionIncludeResourcesArgs{Amis: pulumi.Bool(true), Snapshots: pulumi.Bool(true)},
			},
			Filter: imagebuilder.LifecyclePolicyPolicyDetailFilterArgs{
				Type: pulumi.String("AGE"), Unit: unit, Value: value, RetainAtLeast: pulumi.Int(imagesLeft),
			},
			// A fleet that no one has touched for long still bears machines of its image.
			ExclusionRules: imagebuilder.LifecyclePolicyPolicyDetailExclusionRulesArgs{Amis: imagebuilder.LifecyclePolicyPolicyDetailExclusionRulesAmisArgs{
				LastLaunched: imagebuilder.LifecyclePolicyPolicyDetailExclusionRulesAmisLastLaunchedArgs{Unit: unit, Value: value},
			}},
		}},
	}, pulumi.Parent(k.parent), pulumi.DependsOn([]pulumi.Resource{attached}))
	return err
}
