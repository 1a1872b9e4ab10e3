package catalog

// Prices are the list prices of a region, in USD, of what is not a class.
//
// What depends on use alone (S3, CloudFront, data that leaves, requests, Lambda) is
// here so that it can be named beside an estimate, not to be guessed into its sum.
type Prices struct {
	EBSGBMonth, EBSIOPSMonth, EBSMBpsMonth float64 // gp3; IOPS above 3,000 and MB/s above 125
	SnapshotGBMonth                        float64
	RDSGBMonth, RDSIOPSMonth, RDSMBpsMonth float64 // gp3, one zone; IOPS and MB/s above what is included
	RDSBackupGBMonth                       float64 // above the size of the databases
	NATHour, NATGB                         float64
	ALBHour, NLBHour                       float64 // without capacity units
	EndpointHour                           float64 // an interface endpoint, in each zone
	PublicIPv4Hour                         float64
	ZoneMonth                              float64 // Route 53
	KeyMonth                               float64 // KMS
	SecretMonth                            float64
	AlarmMonth, DashboardMonth             float64 // CloudWatch
	LogGB, LogGBMonth                      float64 // taken in; kept
	WebACLMonth, WebACLRuleMonth           float64 // WAF
	DetailedMonth                          float64 // detailed monitoring of a machine: 7 metrics

	S3GBMonth, S3ColdGBMonth float64 // Standard; Glacier Instant Retrieval
	CDNGB                    float64 // CloudFront to North America and Europe, first 10 TB
	OutGB                    float64 // to the internet, first 10 TB
	CrossZoneGB              float64 // each way
}

// HoursPerMonth is what Amazon's own calculator counts.
const HoursPerMonth = 730

// AsOf says of when the prices are, and how far they can be trusted.
const AsOf = "as published by AWS in 2026, some from memory (infra/catalog says which): check before a decision"

// prices are those of the services' own pages (https://aws.amazon.com/pricing/) in 2026.
// Some of us-east-1 were compared with published tables; the others, and most of
// eu-west-1, are from memory. Check them before a decision.
var prices = map[string]Prices{
	"us-east-1": {
		EBSGBMonth: 0.08, EBSIOPSMonth: 0.005, EBSMBpsMonth: 0.04, SnapshotGBMonth: 0.05,
		RDSGBMonth: 0.115, RDSIOPSMonth: 0.02, RDSMBpsMonth: 0.08, RDSBackupGBMonth: 0.095,
		NATHour: 0.045, NATGB: 0.045, ALBHour: 0.0225, NLBHour: 0.0225, EndpointHour: 0.01, PublicIPv4Hour: 0.005,
		ZoneMonth: 0.5, KeyMonth: 1, SecretMonth: 0.4, AlarmMonth: 0.1, DashboardMonth: 3, LogGB: 0.5, LogGBMonth: 0.03,
		WebACLMonth: 5, WebACLRuleMonth: 1, DetailedMonth: 2.1,
		S3GBMonth: 0.023, S3ColdGBMonth: 0.004, CDNGB: 0.085, OutGB: 0.09, CrossZoneGB: 0.01,
	},
	"eu-west-1": {
		EBSGBMonth: 0.088, EBSIOPSMonth: 0.0055, EBSMBpsMonth: 0.044, SnapshotGBMonth: 0.05,
		RDSGBMonth: 0.127, RDSIOPSMonth: 0.022, RDSMBpsMonth: 0.088, RDSBackupGBMonth: 0.095,
		NATHour: 0.048, NATGB: 0.048, ALBHour: 0.0252, NLBHour: 0.0252, EndpointHour: 0.011, PublicIPv4Hour: 0.005,
		ZoneMonth: 0.5, KeyMonth: 1, SecretMonth: 0.4, AlarmMonth: 0.1, DashboardMonth: 3, LogGB: 0.57, LogGBMonth: 0.03,
		WebACLMonth: 5, WebACLRuleMonth: 1, DetailedMonth: 2.1,
		S3GBMonth: 0.023, S3ColdGBMonth: 0.005, CDNGB: 0.085, OutGB: 0.09, CrossZoneGB: 0.01,
	},
}

// Price is the prices of a region; false: they are not known here.
func Price(region string) (Prices, bool) {
	p, ok := prices[region]
	return p, ok
}
