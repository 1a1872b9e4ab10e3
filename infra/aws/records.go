package aws

import (
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/acm"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// certify provisions a certificate of a domain and the record in its zone by which
// Amazon sees that the domain is ours, today and at every renewal. What is given is
// the certificate's ARN once it is issued. The certificate's region is its provider's.
func certify(ctx *pulumi.Context, name, domain string, zone pulumi.IDOutput, parent pulumi.Resource, in ...pulumi.ResourceOption) (pulumi.StringOutput, error) {
	opts := append([]pulumi.ResourceOption{pulumi.Parent(parent)}, in...)
	c, err := acm.NewCertificate(ctx, name+"-certificate", &acm.CertificateArgs{
		DomainName:       pulumi.String(domain),
		ValidationMethod: pulumi.String("DNS"),
	}, opts...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	proof := c.DomainValidationOptions.Index(pulumi.Int(0))
	record, err := route53.NewRecord(ctx, name+"-certificate-proof", &route53.RecordArgs{
		ZoneId:  zone,
		Name:    proof.ResourceRecordName().Elem(),
		Type:    proof.ResourceRecordType().Elem(),
		Records: pulumi.StringArray{proof.ResourceRecordValue().Elem()},
		Ttl:     pulumi.Int(300),
		// It is the same for every certificate of the domain in the account, so that an
		// earlier one may have left it.
		AllowOverwrite: pulumi.Bool(true),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	issued, err := acm.NewCertificateValidation(ctx, name+"-certificate-issued", &acm.CertificateValidationArgs{
		CertificateArn:        c.Arn,
		ValidationRecordFqdns: pulumi.StringArray{record.Fqdn},
		// It takes minutes. What takes longer never comes: the registrar does not yet name the
		// zone's servers, or a CAA record keeps Amazon from issuing.
	}, append(opts, pulumi.Timeouts(&pulumi.CustomTimeouts{Create: "30m"}))...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return issued.CertificateArn, nil
}

// lead lets a name lead to something of Amazon's, which has a zone of its own: with a
// record of type A, and AAAA where that is reached over IPv6 too. There is no second
// one to fail over to, so its health is not looked at.
func lead(ctx *pulumi.Context, name, from string, zone pulumi.IDOutput, to, ofZone pulumi.StringOutput, parent pulumi.Resource, types ...string) error {
	for _, typ := range types {
		if _, err := route53.NewRecord(ctx, name+"-"+strings.ToLower(typ), &route53.RecordArgs{
			ZoneId: zone,
			Name:   pulumi.String(from),
			Type:   pulumi.String(typ),
			Aliases: route53.RecordAliasArray{route53.RecordAliasArgs{
				Name: to, ZoneId: ofZone, EvaluateTargetHealth: pulumi.Bool(false),
			}},
		}, pulumi.Parent(parent)); err != nil {
			return err
		}
	}
	return nil
}
