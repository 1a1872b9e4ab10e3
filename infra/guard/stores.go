package guard

// storeRules keep what is stored readable to us alone, and there tomorrow.
func storeRules() []Rule {
	return []Rule{
		{
			ID: "encrypted", Says: "Everything that stores is encrypted; what passes between machines and Redis too",
			Why:   "a copy of a disk or a snapshot must be worth nothing. Memcached is the exception: it writes no disk, and its protocol on our client has no TLS",
			check: encrypted,
		},
		{
			ID: "backed-up", Says: "Databases, Redis and buckets can be brought back to an earlier moment",
			Why: "a mistaken DELETE is replicated within milliseconds", check: backedUp,
		},
		{
			ID: "protected", Says: "A protected stack protects everything that holds data, and production is protected",
			Why: "pulumi destroy, or a rename of a resource, would delete it", check: protectedStores,
		},
		{
			ID: "deletion-protection", Says: "In a protected stack Amazon too refuses to delete databases and balancers, and leaves a snapshot",
			Why: "the console and other tools do not know of Pulumi's protection", check: deletionProtection,
		},
		{
			ID: "zones-apart", Says: "A replica stands in another zone than its primary, and both zones are said",
			Why: "the loss of one zone would take both", check: zonesApart,
		},
		{
			ID: "postgres-tls", Says: "Every parameter group of PostgreSQL forces TLS",
			Why: "a client that forgets sslmode sends its password in the clear",
			check: func(s *State, refuse refuse) {
				forced := map[string]bool{}
				for _, r := range s.of("aws:rds/parameterGroup:ParameterGroup") {
					for _, p := range r.list("parameters") {
						if text(p, "name") == "rds.force_ssl" && text(p, "value") == "1" {
							forced[r.Name] = true
						}
					}
					if !forced[r.Name] {
						refuse(r, "rds.force_ssl is not 1")
					}
				}
				for _, r := range s.of(typeDatabase) {
					if _, ok := s.ref("aws:rds/parameterGroup:ParameterGroup", r.text("parameterGroupName")); !ok {
						refuse(r, "parameterGroupName %q is no group of this stack's: the default group of PostgreSQL 14 and before forces no TLS", r.text("parameterGroupName"))
					}
				}
			},
		},
		{
			ID: "redis-password", Says: "Redis asks for a password",
			Why: "whoever reaches its port would read every session",
			check: func(s *State, refuse refuse) {
				for _, r := range s.of(typeRedis) {
					if r.text("authToken") == "" && len(r.list("userGroupIds")) == 0 {
						refuse(r, "it has neither authToken nor userGroupIds")
					}
				}
			},
		},
	}
}

func encrypted(s *State, refuse refuse) {
	needs := func(r Resource, path string) {
		if !r.on(path) {
			refuse(r, "%s is not true", path)
		}
	}
	key := func(r Resource, path string) {
		if r.text(path) == "" {
			refuse(r, "%s names no key", path)
		}
	}
	for _, r := range s.of(typeDatabase) {
		// A replica takes both from its primary, and Amazon refuses to be told again.
		if r.text("replicateSourceDb") == "" {
			needs(r, "storageEncrypted")
			key(r, "kmsKeyId")
		}
		if r.on("performanceInsightsEnabled") {
			key(r, "performanceInsightsKmsKeyId")
		}
	}
	for _, r := range s.of(typeRedis) {
		needs(r, "atRestEncryptionEnabled")
		needs(r, "transitEncryptionEnabled")
		key(r, "kmsKeyId")
	}
	for _, r := range s.of(typeVolume) {
		needs(r, "encrypted")
		key(r, "kmsKeyId")
	}
	for _, r := range s.of(typeInstance) {
		if _, templated := s.ref(typeTemplate, r.text("launchTemplate.id")); !templated {
			needs(r, "rootBlockDevice.encrypted")
		}
		for _, d := range r.list("ebsBlockDevices") {
			if !on(d, "encrypted") {
				refuse(r, "the volume %s is not encrypted", text(d, "deviceName"))
			}
		}
	}
	for _, typ := range []string{typeTemplate, typeRecipe} {
		for _, r := range s.of(typ) {
			if len(r.list("blockDeviceMappings")) == 0 {
				refuse(r, "it says nothing of its volumes: those of the image would be as they are, which may be in the clear")
			}
			for _, d := range r.list("blockDeviceMappings") {
				if !on(d, "ebs.encrypted") {
					refuse(r, "the volume %s is not encrypted", text(d, "deviceName"))
				}
			}
		}
	}
	covered := map[string]bool{}
	for _, r := range s.of("aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2") {
		if b, ok := s.ref(typeBucket, r.text("bucket")); ok && r.text("rules.applyServerSideEncryptionByDefault.sseAlgorithm") != "" {
			covered[b.Name] = true
		}
	}
	for _, r := range s.of(typeBucket) {
		if !covered[r.Name] {
			refuse(r, "it has no BucketServerSideEncryptionConfigurationV2")
		}
	}
	for _, r := range s.of(typeTopic) {
		key(r, "kmsMasterKeyId")
	}
	for _, typ := range []string{typeSecret, typeLogGroup} {
		for _, r := range s.of(typ) {
			key(r, "kmsKeyId")
		}
	}
	for _, r := range s.of(typeKey) {
		needs(r, "enableKeyRotation")
		if days := r.number("deletionWindowInDays"); days < 7 {
			refuse(r, "deletionWindowInDays is %v: accepted is 7 to 30", days)
		}
	}
}

func backedUp(s *State, refuse refuse) {
	least := 1.0
	if s.protected() {
		least = 7
	}
	for _, r := range s.of(typeDatabase) {
		if r.text("replicateSourceDb") != "" {
			continue
		}
		if days := r.number("backupRetentionPeriod"); days < least {
			refuse(r, "backupRetentionPeriod is %v days: accepted is %v or more", days, least)
		}
		if s.protected() && r.at("deleteAutomatedBackups") != false {
			refuse(r, "deleteAutomatedBackups is not false: the backups would go with the database")
		}
	}
	for _, r := range s.of(typeRedis) {
		if s.protected() && r.number("snapshotRetentionLimit") < 1 {
			refuse(r, "snapshotRetentionLimit is %v: accepted is 1 or more", r.number("snapshotRetentionLimit"))
		}
	}
	versioned := map[string]bool{}
	for _, r := range s.of("aws:s3/bucketVersioningV2:BucketVersioningV2") {
		if b, ok := s.ref(typeBucket, r.text("bucket")); ok && r.text("versioningConfiguration.status") == "Enabled" {
			versioned[b.Name] = true
		}
	}
	for _, r := range s.of(typeBucket) {
		// Logs are written once and expire; a second version of them says nothing.
		if !versioned[r.Name] && r.text("bucket") != s.topology.AWS.Buckets.Logs {
			refuse(r, "its versioning is not Enabled")
		}
	}
}

func protectedStores(s *State, refuse refuse) {
	if s.stack == "production" && !s.protected() {
		refuse(Resource{}, "the stack production says protect: false")
	}
	if !s.protected() {
		return
	}
	for _, typ := range []string{typeDatabase, typeRedis, typeBucket, typeVolume, typeKey} {
		for _, r := range s.of(typ) {
			if !r.Protect {
				refuse(r, "it holds data, or the key to it, and is not protected")
			}
		}
	}
}

func deletionProtection(s *State, refuse refuse) {
	for _, r := range s.of(typeBucket) {
		if r.on("forceDestroy") && s.protected() {
			refuse(r, "forceDestroy would delete the bucket with all that is in it")
		}
	}
	if !s.protected() {
		return
	}
	for _, r := range s.of(typeDatabase) {
		if !r.on("deletionProtection") {
			refuse(r, "deletionProtection is not true")
		}
		if r.text("replicateSourceDb") == "" && (r.on("skipFinalSnapshot") || r.text("finalSnapshotIdentifier") == "") {
			refuse(r, "it leaves no final snapshot: accepted is skipFinalSnapshot false and a finalSnapshotIdentifier")
		}
	}
	for _, r := range s.of(typeRedis) {
		if r.text("finalSnapshotIdentifier") == "" {
			refuse(r, "it leaves no final snapshot: finalSnapshotIdentifier is missing")
		}
	}
	for _, r := range s.of(typeBalancer) {
		if !r.on("enableDeletionProtection") {
			refuse(r, "enableDeletionProtection is not true")
		}
	}
	for _, r := range s.of(typeSecret) {
		if days, said := r.at("recoveryWindowInDays").(float64); said && days < 7 {
			refuse(r, "recoveryWindowInDays is %v: accepted is 7 to 30", days)
		}
	}
}

func zonesApart(s *State, refuse refuse) {
	for _, r := range s.of(typeDatabase) {
		zone := r.text("availabilityZone")
		if zone == "" && !r.on("multiAz") {
			refuse(r, "availabilityZone is not said: Amazon would choose one")
			continue
		}
		source := r.text("replicateSourceDb")
		if source == "" {
			continue
		}
		primary, ok := s.ref(typeDatabase, source)
		if !ok {
			refuse(r, "replicateSourceDb %q is no database of this stack's", source)
		} else if primary.text("availabilityZone") == zone {
			refuse(r, "it stands in %s, as its primary %s does", zone, primary.Name)
		}
	}
}
