package aws

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ec2"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/imagebuilder"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

const (
	// debianAccount publishes Debian's machine images:
	// https://wiki.debian.org/Cloud/AmazonEC2Image
	debianAccount = "136693071363"
	// bakeMinutes bounds the baking of an image, its tests included, and testMinutes the
	// tests alone, which Amazon grants no less; both together take some twenty.
	bakeMinutes = 90
	testMinutes = 60
)

// MachineImagesArgs say what the machine images are baked of.
type MachineImagesArgs struct {
	Plan
	Network *Network
	Storage *Storage
	Release *Release
}

// MachineImages are the machine images of the roles.
type MachineImages struct {
	pulumi.ResourceState

	AMI map[images.Role]pulumi.StringOutput
	// RootDevice is what every one of them calls its root volume: "/dev/xvda".
	RootDevice string
}

// NewMachineImages bakes and tests an image for each role whose packages have changed.
// Everything that an image is made of is named in it by the address of its content: an
// unchanged recipe bakes nothing, and a changed one bakes a new image while the old one
// is used.
func NewMachineImages(ctx *pulumi.Context, name string, args *MachineImagesArgs, opts ...pulumi.ResourceOption) (*MachineImages, error) {
	m := &MachineImages{AMI: map[images.Role]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource("burbn:aws:MachineImages", name, m, opts...); err != nil {
		return nil, err
	}
	debian, err := args.debian(ctx, m)
	if err != nil {
		return nil, err
	}
	m.RootDevice = debian.RootDeviceName
	k, err := newKitchen(ctx, name, args, m)
	if err != nil {
		return nil, err
	}
	for _, role := range machineRoles() {
		if m.AMI[role], err = k.bake(role, debian); err != nil {
			return nil, fmt.Errorf("bake the image of %s: %w", role, err)
		}
	}
	return m, nil
}

// debian finds the image that ours are baked from, by its one exact name.
func (args *MachineImagesArgs) debian(ctx *pulumi.Context, parent pulumi.Resource) (*ec2.LookupAmiResult, error) {
	wanted := args.Topology.AWS.Debian
	found, err := ec2.LookupAmi(ctx, &ec2.LookupAmiArgs{
		Owners:  []string{debianAccount},
		Filters: []ec2.GetAmiFilter{{Name: "name", Values: []string{wanted}}},
		// Two years old is old, but it is what the stack asks for.
		IncludeDeprecated: pulumi.BoolRef(true),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("find Debian's machine image %s in %s: %w; list them with: aws ec2 describe-images --owners %s --filters Name=name,Values='debian-12-*'",
			wanted, args.Topology.AWS.Region, err, debianAccount)
	}
	return found, nil
}

// bake provisions the image of one role.
func (k *kitchen) bake(role images.Role, debian *ec2.LookupAmiResult) (pulumi.StringOutput, error) {
	none := pulumi.StringOutput{}
	arch := k.args.Topology.AWS.Architecture
	recipe, err := images.Bake(role, arch)
	if err != nil {
		return none, err
	}
	packed, err := packRecipe(recipe)
	if err != nil {
		return none, err
	}
	archive := settings.Object{Bucket: k.args.Topology.AWS.Buckets.Artifacts, Key: "recipes/" + string(role) + "-" + sum(packed) + ".tar.gz", SHA256: sum(packed)}
	machine, ok := k.args.Release.Programs["machine"]
	if !ok {
		return none, fmt.Errorf("release %s has no program machine", k.args.releaseID())
	}
	agent := agentScript(k.args.Topology.AWS.Region, arch)
	document := bakeDocument(archive, machine)
	id := sum([]byte(document + agent + debian.Id))[:12]

	up := uploader{ctx: k.ctx, component: k.name, bucket: k.args.Storage.Artifacts, parent: k.parent}
	uploaded, err := up.content(string(role)+"-archive", archive, packed)
	if err != nil {
		return none, err
	}
	ready := append([]pulumi.Resource{uploaded}, k.ready...)
	if program := k.args.Release.Program["machine"]; program != nil {
		ready = append(ready, program)
	}

	tags := pulumi.StringMap{"recipe": pulumi.String(id), "role": pulumi.String(role), "stack": pulumi.String(k.args.Stack)}
	// Amazon refuses to delete a recipe that an image was baked from, and the images stay
	// until the policy in kitchen.go forgets them. So Pulumi chooses the names, with an end
	// of its own making: whoever goes back to an earlier recipe finds its name taken. Where
	// nothing is protected they go with the stack, but for the AMIs, which Image Builder
	// leaves to their owner.
	kept := []pulumi.ResourceOption{pulumi.Parent(k.parent), pulumi.RetainOnDelete(k.args.Topology.AWS.Protect)}
	component, err := imagebuilder.NewComponent(k.ctx, k.name+"-"+string(role)+"-component", &imagebuilder.ComponentArgs{
		Version: pulumi.String("1.0.0"), Platform: pulumi.String("Linux"),
		Data: pulumi.String(document), Tags: tags,
	}, kept...)
	if err != nil {
		return none, err
	}
	of, err := imagebuilder.NewImageRecipe(k.ctx, k.name+"-"+string(role)+"-recipe", &imagebuilder.ImageRecipeArgs{
		Version: pulumi.String("1.0.0"), ParentImage: pulumi.String(debian.Id),
		Components: imagebuilder.ImageRecipeComponentArray{imagebuilder.ImageRecipeComponentArgs{ComponentArn: component.Arn}},
		BlockDeviceMappings: imagebuilder.ImageRecipeBlockDeviceMappingArray{imagebuilder.ImageRecipeBlockDeviceMappingArgs{
			DeviceName: pulumi.String(debian.RootDeviceName),
			Ebs: imagebuilder.ImageRecipeBlockDeviceMappingEbsArgs{
				VolumeType: pulumi.String("gp3"), Encrypted: pulumi.String("true"), DeleteOnTermination: pulumi.String("true"),
			},
		}},
		SystemsManagerAgent: imagebuilder.ImageRecipeSystemsManagerAgentArgs{UninstallAfterBuild: pulumi.Bool(false)},
		UserDataBase64:      pulumi.String(base64.StdEncoding.EncodeToString([]byte(agent))),
		Tags:                tags,
	}, kept...)
	if err != nil {
		return none, err
	}
	distribution, err := imagebuilder.NewDistributionConfiguration(k.ctx, k.name+"-"+string(role)+"-distribution", &imagebuilder.DistributionConfigurationArgs{
		Name: pulumi.String(k.args.resourceName(string(role))),
		Distributions: imagebuilder.DistributionConfigurationDistributionArray{imagebuilder.DistributionConfigurationDistributionArgs{
			Region: pulumi.String(k.args.Topology.AWS.Region),
			AmiDistributionConfiguration: imagebuilder.DistributionConfigurationDistributionAmiDistributionConfigurationArgs{
				Name:    pulumi.String(k.args.resourceName(string(role)) + "-{{ imagebuilder:buildDate }}"),
				AmiTags: pulumi.StringMap{"role": pulumi.String(role), "stack": pulumi.String(k.args.Stack)},
			},
		}},
	}, pulumi.Parent(k.parent))
	if err != nil {
		return none, err
	}
	image, err := imagebuilder.NewImage(k.ctx, k.name+"-"+string(role), &imagebuilder.ImageArgs{
		ImageRecipeArn:                 of.Arn,
		InfrastructureConfigurationArn: k.infrastructure.Arn,
		DistributionConfigurationArn:   distribution.Arn,
		ImageTestsConfiguration: imagebuilder.ImageImageTestsConfigurationArgs{
			ImageTestsEnabled: pulumi.Bool(true), TimeoutMinutes: pulumi.Int(testMinutes),
		},
		Tags: tags,
	}, append(kept, pulumi.DependsOn(ready), pulumi.Timeouts(&pulumi.CustomTimeouts{Create: fmt.Sprintf("%dm", bakeMinutes)}))...)
	if err != nil {
		return none, err
	}
	return image.OutputResources.ApplyT(baked).(pulumi.StringOutput), nil
}

// baked is the AMI of a finished image: there is one, being distributed to one region.
func baked(resources []imagebuilder.ImageOutputResource) (string, error) {
	for _, r := range resources {
		for _, ami := range r.Amis {
			if ami.Image != nil {
				return *ami.Image, nil
			}
		}
	}
	return "", errors.New("the Image Builder has no AMI to show")
}
