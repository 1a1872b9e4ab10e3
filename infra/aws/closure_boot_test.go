package aws_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/burbn/burbn/infra/fake"
	"github.com/burbn/burbn/infra/record"
	"github.com/burbn/burbn/services/settings"
)

// machine is what is born by a launch template, or of itself.
type machine struct {
	role     string // as it is told in its user data
	resource record.Resource
	groups   []string // ids of its security groups
	identity string   // role of IAM
	settings settings.Machine
	document string // settings, as they lie on its disk
}

// machines are all machines of ours.
func (a account) machines() ([]machine, error) {
	var ms []machine
	for _, r := range a.of("ec2/launchTemplate:LaunchTemplate") {
		data, err := base64.StdEncoding.DecodeString(attr(r, "userData"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name, err)
		}
		arn := str(input(r.Inputs, "iamInstanceProfile", "arn"))
		m, err := a.machine(r, string(data), arn[strings.LastIndex(arn, "/")+1:])
		if err != nil {
			return nil, err
		}
		m.groups = strs(input(r.Inputs, "networkInterfaces", 0, "securityGroups"))
		ms = append(ms, m)
	}
	for _, r := range a.of("ec2/instance:Instance") {
		m, err := a.machine(r, attr(r, "userData"), attr(r, "iamInstanceProfile"))
		if err != nil {
			return nil, err
		}
		m.groups = strs(r.Inputs["vpcSecurityGroupIds"])
		ms = append(ms, m)
	}
	return ms, nil
}

// machine reads user data as cloud-init and the program machine do.
func (a account) machine(r record.Resource, data, profile string) (machine, error) {
	m := machine{resource: r}
	document, ok := strings.CutPrefix(data, "#cloud-config\n")
	if !ok {
		return m, fmt.Errorf("%s: the user data is no #cloud-config", r.Name)
	}
	var cloud struct {
		Files []struct{ Path, Owner, Permissions, Content string } `yaml:"write_files"`
	}
	d := yaml.NewDecoder(strings.NewReader(document))
	d.KnownFields(true)
	if err := d.Decode(&cloud); err != nil {
		return m, fmt.Errorf("%s: %w", r.Name, err)
	}
	if len(cloud.Files) != 1 || cloud.Files[0].Path != settings.MachinePath {
		return m, fmt.Errorf("%s: the user data writes other files than %s", r.Name, settings.MachinePath)
	}
	var err error
	m.document = cloud.Files[0].Content
	if m.settings, err = settings.Parse[settings.Machine]([]byte(m.document)); err != nil {
		return m, fmt.Errorf("%s: %w", r.Name, err)
	}
	m.role = m.settings.Role
	p, ok := a.byInput("iam/instanceProfile:InstanceProfile", "name", profile)
	if !ok {
		return m, fmt.Errorf("%s: there is no instance profile %q", r.Name, profile)
	}
	m.identity = attr(p, "role")
	return m, nil
}

// services are the services of Amazon's that a machine asks while it boots. They know
// what the account has, and allow what the machine's role does.
type services struct {
	account
	machine

	mu       sync.Mutex
	problems []string
	told     []string
	gaveUp   context.CancelFunc // the machine asks for minutes before it gives up
}

func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch {
	case strings.HasPrefix(r.URL.Path, "/latest/"):
		s.metadata(w, r)
	case strings.HasPrefix(r.URL.Path, "/objects/"):
		err = s.object(w, strings.TrimPrefix(r.URL.Path, "/objects/"))
	case strings.HasPrefix(r.URL.Path, "/secrets/"):
		err = s.secret(w, r)
	case strings.HasPrefix(r.URL.Path, "/groups/"):
		err = s.lifecycle(w, r)
	default:
		err = fmt.Errorf("it asks for %s", r.URL)
	}
	if err != nil {
		s.problems = append(s.problems, fmt.Sprintf("%s: %v", s.resource.Name, err))
		w.WriteHeader(http.StatusForbidden)
		s.gaveUp()
	}
}

func (s *services) metadata(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
	io.WriteString(w, "i-0123456789abcdef0") // and the token, which may be anything
}

func (s *services) permitted(action, on string) error {
	ok, err := s.allows(s.identity, action, on)
	if err == nil && !ok {
		err = fmt.Errorf("role %s may not %s of %s", s.identity, action, on)
	}
	return err
}

func (s *services) object(w http.ResponseWriter, path string) error {
	bucket, key, _ := strings.Cut(path, "/")
	if err := s.permitted("s3:GetObject", "arn:aws:s3:::"+bucket+"/"+key); err != nil {
		return err
	}
	o, ok := s.find("s3/bucketObjectv2:BucketObjectv2", func(r record.Resource) bool {
		in, ok := s.byID("s3/bucketV2:BucketV2", attr(r, "bucket"))
		return ok && attr(in, "bucket") == bucket && attr(r, "key") == key
	})
	if !ok {
		return fmt.Errorf("there is no object s3://%s/%s", bucket, key)
	}
	content, err := os.ReadFile(o.Inputs["source"].AssetValue().Path)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

func (s *services) secret(w http.ResponseWriter, r *http.Request) error {
	var in struct{ SecretId string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return err
	}
	secret, ok := s.byInput("secretsmanager/secret:Secret", "name", in.SecretId)
	if !ok {
		return fmt.Errorf("there is no secret %s", in.SecretId)
	}
	// Secrets Manager ends the name in an ARN with six characters of its own.
	arn := fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-AbCdEf", s.region, fake.Account, in.SecretId)
	if err := s.permitted("secretsmanager:GetSecretValue", arn); err != nil {
		return err
	}
	if err := s.permitted("kms:Decrypt", attr(secret, "kmsKeyId")); err != nil {
		return err
	}
	value, ok := s.find("secretsmanager/secretVersion:SecretVersion", func(r record.Resource) bool {
		return slices.Contains([]string{fake.ID(secret.Name), str(outputs(secret)["arn"])}, attr(r, "secretId"))
	})
	if !ok {
		return fmt.Errorf("secret %s has no value", in.SecretId)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	return json.NewEncoder(w).Encode(map[string]any{"Name": in.SecretId, "SecretString": attr(value, "secretString"), "VersionStages": []string{"AWSCURRENT"}})
}

func (s *services) lifecycle(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	name, hook := r.Form.Get("AutoScalingGroupName"), r.Form.Get("LifecycleHookName")
	group, ok := s.byInput("autoscaling/group:Group", "name", name)
	if !ok {
		return fmt.Errorf("there is no group %s", name)
	}
	if of := str(input(group.Inputs, "launchTemplate", "id")); of != fake.ID(s.resource.Name) {
		return fmt.Errorf("group %s has machines of %s", name, of)
	}
	if waits := str(input(group.Inputs, "initialLifecycleHooks", 0, "name")); waits != hook {
		return fmt.Errorf("group %s waits by hook %q, not by %q", name, waits, hook)
	}
	arn := fmt.Sprintf("arn:aws:autoscaling:%s:%s:autoScalingGroup:c0ffee:autoScalingGroupName/%s", s.region, fake.Account, name)
	if err := s.permitted("autoscaling:CompleteLifecycleAction", arn); err != nil {
		return err
	}
	s.told = append(s.told, r.Form.Get("LifecycleActionResult"))
	w.Header().Set("Content-Type", "text/xml")
	_, err := io.WriteString(w, `<CompleteLifecycleActionResponse><CompleteLifecycleActionResult/></CompleteLifecycleActionResponse>`)
	return err
}

// buildMachine builds the program that every machine image has.
func buildMachine(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "machine")
	if out, err := exec.Command("go", "build", "-o", program, "../../services/machine").CombinedOutput(); err != nil {
		t.Fatalf("build services/machine: %v\n%s", err, out)
	}
	return program
}

// boot runs the program machine on an empty disk as the unit boot does, up to the
// start of the first unit: there is no systemd here. It returns the files of the
// machine by path.
func (a account) boot(t *testing.T, program string, m machine) (map[string]string, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := &services{account: a, machine: m, gaveUp: cancel}
	server := httptest.NewServer(s)
	defer server.Close()

	dir := t.TempDir()
	root, bin, file := filepath.Join(dir, "root"), filepath.Join(dir, "bin"), filepath.Join(dir, "boot.json")
	for _, err := range []error{
		os.Mkdir(root, 0o755), os.Mkdir(bin, 0o755), os.WriteFile(file, []byte(m.document), 0o644),
		os.WriteFile(filepath.Join(bin, "systemctl"), []byte("#!/bin/sh\necho there is no systemd here >&2\nexit 1\n"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	boot := exec.CommandContext(ctx, program, "boot", "-settings", file, "-root", root)
	boot.Stdout, boot.Stderr = &log, &log
	boot.Env = []string{
		"PATH=" + bin + ":/usr/bin:/bin", "HOME=" + dir, "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent",
		"AWS_ACCESS_KEY_ID=made-up", "AWS_SECRET_ACCESS_KEY=made-up",
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + server.URL, "AWS_ENDPOINT_URL_S3=" + server.URL + "/objects",
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + server.URL + "/secrets/", "AWS_ENDPOINT_URL_AUTO_SCALING=" + server.URL + "/groups/",
	}
	err := boot.Run()
	problems := s.problems
	if len(problems) == 0 && (err == nil || !strings.Contains(log.String(), "there is no systemd here")) {
		problems = append(problems, fmt.Sprintf("%s: the boot does not come as far as its units: %v\n%s", m.resource.Name, err, &log))
	}
	var want []string
	if m.resource.Type == "aws:ec2/launchTemplate:LaunchTemplate" {
		want = []string{"ABANDON"}
	}
	if len(problems) == 0 && !slices.Equal(s.told, want) {
		problems = append(problems, fmt.Sprintf("%s: the group is told %q, not %q", m.resource.Name, s.told, want))
	}
	files := map[string]string{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".tar.gz") {
			return err
		}
		content, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, root)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, problems
}
