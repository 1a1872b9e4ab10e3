package aws

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/secretsmanager"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/services/settings"
)

// SecretsArgs say whose secrets they are.
type SecretsArgs struct {
	Plan
	Keys *Keys
}

// Secrets are what machines read from Secrets Manager. Depend on the component where a
// value must be there: a secret exists before it has one.
type Secrets struct {
	pulumi.ResourceState

	// ARNs by the name below burbn/<stack>/: "redis", "postgres-01/app".
	ARNs map[string]pulumi.StringOutput
	// RedisToken is the password of the Redis cluster.
	RedisToken pulumi.StringOutput

	// born are the passwords that the roles of the databases have at first, by the name of
	// their secret.
	born map[string]pulumi.StringOutput
}

// NewSecrets provisions the secrets. Those that others issue come from the stack's
// configuration, the rest are made once.
func NewSecrets(ctx *pulumi.Context, name string, args *SecretsArgs, opts ...pulumi.ResourceOption) (*Secrets, error) {
	s := &Secrets{ARNs: map[string]pulumi.StringOutput{}, born: map[string]pulumi.StringOutput{}}
	if err := ctx.RegisterComponentResource("burbn:aws:Secrets", name, s, opts...); err != nil {
		return nil, err
	}
	source, err := random.NewProvider(ctx, name+"-random", nil, pulumi.Parent(s))
	if err != nil {
		return nil, err
	}
	given, err := args.given(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(given)) {
		secret, err := s.secret(ctx, name, k, args)
		if err != nil {
			return nil, err
		}
		if err := s.value(ctx, name, k, "key", secret, given[k]); err != nil {
			return nil, err
		}
	}
	for k, made := range map[string]struct {
		key    string
		length int
	}{
		"redis":   {"password", 64},
		"pooler":  {"password", 48}, // of the services, at the PgBouncer beside them
		"monitor": {"password", 48},
		"session": {"key", 64},
	} {
		password, err := s.password(ctx, name+"-"+k, made.length, source, args)
		if err != nil {
			return nil, err
		}
		secret, err := s.secret(ctx, name, k, args)
		if err != nil {
			return nil, err
		}
		if err := s.value(ctx, name, k, made.key, secret, password); err != nil {
			return nil, err
		}
		if k == "redis" {
			s.RedisToken = password
		}
	}
	link, err := s.bytes(ctx, name+"-link", source, args)
	if err != nil {
		return nil, err
	}
	secret, err := s.secret(ctx, name, "link", args)
	if err != nil {
		return nil, err
	}
	if err := s.value(ctx, name, "link", "key", secret, link); err != nil {
		return nil, err
	}
	for _, m := range args.Placement.Of(images.Postgres) {
		for _, k := range []string{ownerSecret(m.Name), appSecret(m.Name)} {
			if s.born[k], err = s.password(ctx, logicalSecret(name, k), 48, source, args); err != nil {
				return nil, err
			}
			// Its value names the database's endpoint, so NewPostgres writes it.
			if _, err := s.secret(ctx, name, k, args); err != nil {
				return nil, err
			}
		}
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{})
}

// given are the secrets that somebody else issues, by name, from the configuration.
func (args *SecretsArgs) given(ctx *pulumi.Context) (map[string]pulumi.StringOutput, error) {
	keys := map[string]string{"apns": "apnsKey"}
	if args.Topology.SentryDSN != "" {
		keys["sentry"] = "sentryKey"
	}
	if args.Topology.AWS.Alerts.Pager != "" {
		keys["pager"] = "pagerKey"
	}
	given := map[string]pulumi.StringOutput{}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		key := "burbn:" + keys[name]
		v, ok := ctx.GetConfig(key)
		if !ok || !ctx.IsConfigSecret(key) {
			missing = append(missing, "\n  pulumi config set --secret "+key)
			continue
		}
		given[name] = pulumi.ToSecret(pulumi.String(v)).(pulumi.StringOutput)
	}
	if missing != nil {
		return nil, fmt.Errorf("the configuration of stack %s lacks secrets, or has them in the clear; set them:%s", args.Stack, strings.Join(missing, ""))
	}
	return given, nil
}

// password is made once. Nothing that is edited here may ever make it anew.
func (s *Secrets) password(ctx *pulumi.Context, name string, length int, source *random.Provider, args *SecretsArgs) (pulumi.StringOutput, error) {
	p, err := random.NewRandomPassword(ctx, name+"-password", &random.RandomPasswordArgs{
		Length: pulumi.Int(length),
		// Letters and digits need no quoting in any file, URL or command.
		Special: pulumi.Bool(false),
	}, pulumi.Parent(s), pulumi.Provider(source), pulumi.Protect(args.Topology.AWS.Protect), pulumi.IgnoreChanges([]string{"length", "special"}))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(p.Result).(pulumi.StringOutput), nil
}

// bytes are 32 random ones in hex, a key of AES-256. Nothing that is edited here may ever
// make them anew: what they encrypt could not be read again.
func (s *Secrets) bytes(ctx *pulumi.Context, name string, source *random.Provider, args *SecretsArgs) (pulumi.StringOutput, error) {
	b, err := random.NewRandomBytes(ctx, name+"-bytes", &random.RandomBytesArgs{Length: pulumi.Int(32)},
		pulumi.Parent(s), pulumi.Provider(source), pulumi.Protect(args.Topology.AWS.Protect), pulumi.IgnoreChanges([]string{"length"}))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(b.Hex).(pulumi.StringOutput), nil
}

func (s *Secrets) secret(ctx *pulumi.Context, component, name string, args *SecretsArgs) (*secretsmanager.Secret, error) {
	// A stack that may be destroyed may come back the same day, but a name is taken as
	// long as its secret can be recovered.
	recovery := 0
	if args.Topology.AWS.Protect {
		recovery = 30
	}
	secret, err := secretsmanager.NewSecret(ctx, logicalSecret(component, name), &secretsmanager.SecretArgs{
		Name:                 pulumi.String(secretID(args.Stack, name)),
		KmsKeyId:             args.Keys.Data,
		RecoveryWindowInDays: pulumi.Int(recovery),
	}, pulumi.Parent(s), pulumi.Protect(args.Topology.AWS.Protect), pulumi.RetainOnDelete(args.Topology.AWS.Protect))
	if err != nil {
		return nil, err
	}
	s.ARNs[name] = secret.Arn
	return secret, nil
}

func (s *Secrets) value(ctx *pulumi.Context, component, name, key string, secret *secretsmanager.Secret, v pulumi.StringOutput) error {
	_, err := secretsmanager.NewSecretVersion(ctx, logicalSecret(component, name)+"-value", &secretsmanager.SecretVersionArgs{
		SecretId:     secret.ID(),
		SecretString: v.ApplyT(func(v string) (string, error) { return document(map[string]string{key: v}) }).(pulumi.StringOutput),
	}, pulumi.Parent(s))
	return err
}

// document is the value of a secret. Every value in it is a string.
func document(values map[string]string) (string, error) {
	b, err := json.Marshal(values)
	return string(b), err
}

func logicalSecret(component, name string) string {
	return component + "-" + strings.ReplaceAll(name, "/", "-")
}

// appSecret is the name of the secret of the role as which the services work on a
// database.
func appSecret(database string) string { return database + "/app" }

// ownerSecret is the name of the secret of burbn_owner, who migrates a database and
// changes the passwords of the other roles. RDS does not keep it for us: it makes no
// replica of a PostgreSQL whose owner's password it manages.
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-secrets-manager.html#rds-secrets-manager-limitations
func ownerSecret(database string) string { return database + "/owner" }

// credentials say where each secret lies that a credential's template names.
func credentials() map[string]settings.SecretRef {
	return map[string]settings.SecretRef{
		// The name is as old as the local target, where the pooler hands the password on.
		// Here it only opens the pooler.
		"postgres-app-password":     {ID: "pooler", Key: "password"},
		"postgres-monitor-password": {ID: "monitor", Key: "password"},
		"redis-password":            {ID: "redis", Key: "password"},
		"token-key":                 {ID: "session", Key: "key"},
		"link-key":                  {ID: "link", Key: "key"},
		"apns-key":                  {ID: "apns", Key: "key"},
		"sentry-key":                {ID: "sentry", Key: "key"},
		"pager-key":                 {ID: "pager", Key: "key"},
	}
}

// databaseCredential is a credential of one database, which changes with each rotation.
var databaseCredential = regexp.MustCompile(`^(postgres-[0-9]{2,})-app-(username|password)$`)

// secretRef is where a secret that a credential's template names lies: "redis-password"
// is the value password of the secret burbn/<stack>/redis.
func secretRef(stack, name string) (settings.SecretRef, error) {
	if ref, ok := credentials()[name]; ok {
		return settings.SecretRef{ID: secretID(stack, ref.ID), Key: ref.Key}, nil
	}
	if m := databaseCredential.FindStringSubmatch(name); m != nil {
		return settings.SecretRef{ID: secretID(stack, appSecret(m[1])), Key: m[2]}, nil
	}
	return settings.SecretRef{}, fmt.Errorf("secret %q lies nowhere on AWS: accepted is %s or postgres-NN-app-username|password",
		name, strings.Join(slices.Sorted(maps.Keys(credentials())), ", "))
}

// roleSecrets are the names, as in Secrets.ARNs, of what the units of an image read.
func roleSecrets(img images.Image, stack string) ([]string, error) {
	names := map[string]bool{}
	for _, u := range img.Units {
		for _, c := range u.Credentials {
			for _, secret := range c.Secrets() {
				ref, err := secretRef(stack, secret)
				if err != nil {
					return nil, fmt.Errorf("unit %s: credential %s: %w", u.Name, c.Name, err)
				}
				names[strings.TrimPrefix(ref.ID, secretID(stack, ""))] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Of are the ARNs of what the units of an image read, in a fixed order.
func (s *Secrets) Of(img images.Image, stack string) ([]pulumi.StringOutput, error) {
	names, err := roleSecrets(img, stack)
	if err != nil {
		return nil, err
	}
	var arns []pulumi.StringOutput
	for _, name := range names {
		arn, ok := s.ARNs[name]
		if !ok {
			return nil, fmt.Errorf("secret %s is read but not provisioned: does the topology ask for it?", secretID(stack, name))
		}
		arns = append(arns, arn)
	}
	return arns, nil
}
