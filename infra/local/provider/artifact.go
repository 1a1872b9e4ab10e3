package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Artifact is an executable file, copied to a path of its own. Its caller puts the
// digest into the path, so that a new one stands beside the old until nobody runs
// that any more.
type Artifact struct{}

// ArtifactArgs are the inputs of Artifact.
type ArtifactArgs struct {
	Source string `pulumi:"source"`
	SHA256 string `pulumi:"sha256"` // of the source, in hex
	Path   string `pulumi:"path" provider:"replaceOnChanges"`
}

// ArtifactState is what Pulumi keeps of an Artifact.
type ArtifactState struct{ ArtifactArgs }

// Annotate names the resource.
func (*Artifact) Annotate(a infer.Annotator) { a.SetToken("index", "Artifact") }

// Check refuses what could not be copied.
func (*Artifact) Check(ctx context.Context, req infer.CheckRequest) (infer.CheckResponse[ArtifactArgs], error) {
	return check(ctx, req, func(args ArtifactArgs) (wrong []p.CheckFailure) {
		for property, path := range map[string]string{"source": args.Source, "path": args.Path} {
			if !filepath.IsAbs(path) {
				wrong = append(wrong, failure(property, "%q is not an absolute path", path))
			}
		}
		if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(args.SHA256) {
			wrong = append(wrong, failure("sha256", "%q is not 64 hexadecimal digits", args.SHA256))
		}
		return wrong
	})
}

// Create copies the file.
func (*Artifact) Create(_ context.Context, req infer.CreateRequest[ArtifactArgs]) (infer.CreateResponse[ArtifactState], error) {
	resp := infer.CreateResponse[ArtifactState]{ID: req.Inputs.Path, Output: ArtifactState{req.Inputs}}
	if req.DryRun {
		return resp, nil
	}
	return resp, req.Inputs.install()
}

// Update copies the file again when its content is another; that it comes from
// elsewhere does not matter.
func (*Artifact) Update(_ context.Context, req infer.UpdateRequest[ArtifactArgs, ArtifactState]) (infer.UpdateResponse[ArtifactState], error) {
	resp := infer.UpdateResponse[ArtifactState]{Output: ArtifactState{req.Inputs}}
	if req.DryRun || req.Inputs.SHA256 == req.State.SHA256 {
		return resp, nil
	}
	return resp, req.Inputs.install()
}

// Read finds it gone when the file is not what it should be.
func (*Artifact) Read(_ context.Context, req infer.ReadRequest[ArtifactArgs, ArtifactState]) (infer.ReadResponse[ArtifactArgs, ArtifactState], error) {
	sum, err := digest(req.State.Path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil || sum != req.State.SHA256 {
		return infer.ReadResponse[ArtifactArgs, ArtifactState]{}, err
	}
	return infer.ReadResponse[ArtifactArgs, ArtifactState](req), nil
}

// Delete removes the file.
func (*Artifact) Delete(_ context.Context, req infer.DeleteRequest[ArtifactState]) (infer.DeleteResponse, error) {
	if err := os.Remove(req.State.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return infer.DeleteResponse{}, fmt.Errorf("remove artifact: %w", err)
	}
	return infer.DeleteResponse{}, nil
}

// install puts a copy of the source at the path in one step, after its digest has
// been found right.
func (args ArtifactArgs) install() (err error) {
	source, err := os.Open(args.Source)
	if err != nil {
		return fmt.Errorf("install artifact: %w", err)
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(args.Path), 0o755); err != nil {
		return fmt.Errorf("install artifact: %w", err)
	}
	scratch, err := os.CreateTemp(filepath.Dir(args.Path), ".artifact-")
	if err != nil {
		return fmt.Errorf("install artifact: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("install %s: %w", args.Path, err), os.Remove(scratch.Name()))
		}
	}()
	sum := sha256.New()
	_, err = io.Copy(scratch, io.TeeReader(source, sum))
	if err == nil {
		err = scratch.Chmod(0o755)
	}
	if err = errors.Join(err, scratch.Close()); err != nil {
		return err
	}
	if is := hex.EncodeToString(sum.Sum(nil)); is != args.SHA256 {
		return fmt.Errorf("%s has changed since the update began: its SHA-256 is %s, not %s", args.Source, is, args.SHA256)
	}
	return os.Rename(scratch.Name(), args.Path)
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read artifact: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read artifact: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
