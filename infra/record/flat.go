package record

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Flat is the inputs as text, by path: "tags.Name", "ingress[0].fromPort". A list of
// plain values is one value. Of a secret only an address of its content is told, and of
// a file its name without the folder of the machine that it lies on.
func (r Resource) Flat() map[string]string {
	flat := map[string]string{}
	put(flat, "", resource.NewProperty(r.Inputs))
	return flat
}

func put(flat map[string]string, path string, v resource.PropertyValue) {
	switch {
	case v.IsObject():
		for k, e := range v.ObjectValue() {
			p := string(k)
			if path != "" {
				p = path + "." + p
			}
			put(flat, p, e)
		}
	case v.IsArray() && slices.ContainsFunc(v.ArrayValue(), func(e resource.PropertyValue) bool { return e.IsObject() }):
		for i, e := range v.ArrayValue() {
			put(flat, fmt.Sprintf("%s[%d]", path, i), e)
		}
	case v.IsNull():
	default:
		flat[path] = text(v)
	}
}

func text(v resource.PropertyValue) string {
	switch {
	case v.IsSecret():
		// Nobody can read it, and everybody sees that it is another one.
		return fmt.Sprintf("(secret %.4x)", sha256.Sum256([]byte(text(v.SecretValue().Element))))
	case v.IsComputed(), v.IsOutput():
		return "(known once it exists)"
	case v.IsString():
		return v.StringValue()
	case v.IsNumber():
		return strconv.FormatFloat(v.NumberValue(), 'f', -1, 64)
	case v.IsBool():
		return strconv.FormatBool(v.BoolValue())
	case v.IsAsset():
		return cmp.Or(file(v.AssetValue().Path), v.AssetValue().Hash)
	case v.IsArchive():
		return cmp.Or(file(v.ArchiveValue().Path), v.ArchiveValue().Hash)
	case v.IsArray():
		var list []string
		for _, e := range v.ArrayValue() {
			list = append(list, text(e))
		}
		return "[" + strings.Join(list, ", ") + "]"
	default:
		return v.String()
	}
}

// file is the name of a file; of none it is empty.
func file(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}
