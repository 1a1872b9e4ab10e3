// Package host is the Pulumi program's side of the provider of the same name: it
// registers processes, files and secrets of one Linux machine as resources.
//
// What is known when the program runs is plain Go here; only what another resource
// makes (a secret, a path) is a Pulumi input. The package holds no logic: what the
// resources do stands in infra/local/provider.
package host

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Supervisor is a supervisord that outlives the provider.
type Supervisor struct {
	pulumi.CustomResourceState

	Dir    pulumi.StringOutput `pulumi:"dir"`    // known at preview
	Socket pulumi.StringOutput `pulumi:"socket"` // its XML-RPC
}

// SupervisorArgs are the inputs of Supervisor.
type SupervisorArgs struct {
	// Dir is absolute, at most 83 bytes (its socket lies there), and holds nothing
	// else.
	Dir string
}

// NewSupervisor registers a supervisord.
func NewSupervisor(ctx *pulumi.Context, name string, args *SupervisorArgs, opts ...pulumi.ResourceOption) (*Supervisor, error) {
	r := &Supervisor{}
	return r, ctx.RegisterResource("host:index:Supervisor", name, pulumi.Map{"dir": pulumi.String(args.Dir)}, r, opts...)
}

// Artifact is an executable file at a path of its own.
type Artifact struct {
	pulumi.CustomResourceState

	Path pulumi.StringOutput `pulumi:"path"` // known at preview
}

// ArtifactArgs are the inputs of Artifact.
type ArtifactArgs struct {
	Source string // copied at creation; not looked at afterwards
	SHA256 string // of Source, in hex
	Path   string // absolute; a change of it makes the new file before the old one goes
}

// NewArtifact registers an executable file.
func NewArtifact(ctx *pulumi.Context, name string, args *ArtifactArgs, opts ...pulumi.ResourceOption) (*Artifact, error) {
	r := &Artifact{}
	return r, ctx.RegisterResource("host:index:Artifact", name, pulumi.Map{
		"source": pulumi.String(args.Source),
		"sha256": pulumi.String(args.SHA256),
		"path":   pulumi.String(args.Path),
	}, r, opts...)
}

// Kind says what a Secret is.
type Kind string

const (
	Password Kind = "password" // letters and digits
	Key      Kind = "key"      // 32 bytes in hex
	ECP256   Kind = "ec-p256"  // PKCS#8 PEM; Public is its PKIX PEM
	TLS      Kind = "tls"      // PKCS#8 PEM; Public is a self-signed certificate
)

// Secret is made once and kept in the stack's state; a change of any input makes
// another.
type Secret struct {
	pulumi.CustomResourceState

	Value  pulumi.StringOutput `pulumi:"value"`  // secret
	Public pulumi.StringOutput `pulumi:"public"` // empty for a password and a key
}

// SecretArgs are the inputs of Secret.
type SecretArgs struct {
	Kind   Kind
	Length int      // of a password, 16 to 128
	Hosts  []string // that a TLS certificate names: addresses, DNS names
	// Path is a file that keeps the secret beside the data that it opens, for
	// whoever creates both again; empty: the state alone has it.
	Path string
}

// NewSecret registers a secret.
func NewSecret(ctx *pulumi.Context, name string, args *SecretArgs, opts ...pulumi.ResourceOption) (*Secret, error) {
	r := &Secret{}
	props := pulumi.Map{"kind": pulumi.String(args.Kind)}
	if args.Length != 0 {
		props["length"] = pulumi.Int(args.Length)
	}
	if len(args.Hosts) > 0 {
		props["hosts"] = pulumi.ToStringArray(args.Hosts)
	}
	if args.Path != "" {
		props["path"] = pulumi.String(args.Path)
	}
	return r, ctx.RegisterResource("host:index:Secret", name, props, r, opts...)
}
