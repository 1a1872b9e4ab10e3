package local

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/burbn/burbn/images"
	"github.com/burbn/burbn/infra/local/host"
)

// makeSecrets makes the stack's secrets, once: Pulumi keeps them, encrypted. The
// site keeps them too, with the data: a database knows the passwords that it was
// born with, and whoever is logged in stays so.
func (d *deployment) makeSecrets() error {
	d.secrets = pulumi.StringMap{
		// A name rather than a secret: a bucket belongs to the key that made it, and
		// buckets outlive the stack's secrets.
		"storage-access-key": pulumi.String("burbn"),
	}
	for _, name := range []string{
		"postgres-owner-password", "postgres-app-password", "postgres-replication-password", "postgres-monitor-password",
		"redis-password", "storage-secret-key", "token-key", "sentry-key",
	} {
		s, err := host.NewSecret(d.ctx, name, &host.SecretArgs{Kind: host.Password, Length: 40, Path: d.site.secret(name)})
		if err != nil {
			return err
		}
		d.secrets[name] = s.Value
	}
	link, err := host.NewSecret(d.ctx, "link-key", &host.SecretArgs{Kind: host.Key, Path: d.site.secret("link-key")})
	if err != nil {
		return err
	}
	d.secrets["link-key"] = link.Value
	apns, err := host.NewSecret(d.ctx, "apns-key", &host.SecretArgs{Kind: host.ECP256, Path: d.site.secret("apns-key")})
	if err != nil {
		return err
	}
	var hosts []string
	for _, m := range d.placement.Of(images.Standin) {
		hosts = append(hosts, m.Addr)
	}
	tls, err := host.NewSecret(d.ctx, "apns-tls", &host.SecretArgs{Kind: host.TLS, Hosts: hosts, Path: d.site.secret("apns-tls")})
	if err != nil {
		return err
	}
	d.secrets["apns-key"], d.secrets["apns-tls-key"], d.secrets["apns-tls-cert"] = apns.Value, tls.Value, tls.Public
	return nil
}

// credentials are the files of secrets that a unit reads, each filled in from its
// template as soon as the secrets are known.
func (d *deployment) credentials(u images.Unit) (pulumi.StringMap, error) {
	filled := pulumi.StringMap{}
	for _, c := range u.Credentials {
		parts := pulumi.StringMap{}
		for _, name := range c.Secrets() {
			s, ok := d.secrets[name]
			if !ok {
				return nil, fmt.Errorf("credential %s: the secret %q is unknown: accepted is %s",
					c.Name, name, strings.Join(slices.Sorted(maps.Keys(d.secrets)), ", "))
			}
			parts[name] = s
		}
		filled[c.Name] = parts.ToStringMapOutput().ApplyT(c.Fill).(pulumi.StringOutput)
	}
	return filled, nil
}
