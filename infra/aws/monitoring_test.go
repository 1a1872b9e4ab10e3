package aws_test

import "testing"

func TestTheMachineThatWatchesMayGoAndItsVolumeStays(t *testing.T) {
	rs := recorded(t, sample())
	volume := rs["monitoring-data"]
	if !volume.Protect || !volume.RetainOnDelete {
		t.Error("the volume is not protected: it is all that Prometheus has seen")
	}
	data := inputs(t, rs, "monitoring-data")
	is(t, "encryption", data["encrypted"], true)
	is(t, "size", data["size"], 100)
	is(t, "zone", data["availabilityZone"], "us-east-1a")

	machine := inputs(t, rs, "monitoring-machine")
	is(t, "the token of the metadata service", at(t, machine, "metadataOptions", "httpTokens"), "required")
	is(t, "its reach", at(t, machine, "metadataOptions", "httpPutResponseHopLimit"), 1)
	is(t, "a public address", machine["associatePublicIpAddress"], false)
	is(t, "the root volume", at(t, machine, "rootBlockDevice", "encrypted"), true)
	is(t, "what becomes of it when it is told otherwise", machine["userDataReplaceOnChange"], true)
	is(t, "its tags", machine["tags"], map[string]string{"Name": "burbn-production-monitoring", "role": "monitoring"})
	if !rs["monitoring-machine"].DeleteBeforeReplace {
		t.Error("the new machine would want the volume that the old one has")
	}
	is(t, "how it is detached", inputs(t, rs, "monitoring-attachment")["stopInstanceBeforeDetaching"], true)
	is(t, "its name", inputs(t, rs, "monitoring-name")["name"], "monitoring.production.burbn.internal")
	is(t, "who heals it", at(t, inputs(t, rs, "monitoring-StatusCheckFailed_System"), "alarmActions", 1), "arn:aws:automate:us-east-1:ec2:recover")

	// A stack that may be destroyed goes as a whole.
	top := sample()
	top.AWS.Protect = false
	rs = recorded(t, top)
	if volume := rs["monitoring-data"]; volume.Protect || volume.RetainOnDelete {
		t.Error("the volume of a stack without protection stays behind")
	}
	is(t, "termination", inputs(t, rs, "monitoring-machine")["disableApiTermination"], false)
}
