package catalog

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestEveryClassHasAPriceWherePricesAreKnown(t *testing.T) {
	for _, classes := range []map[string]Class{ec2Classes(), rdsClasses(), elastiCacheClasses()} {
		if len(classes) < 30 {
			t.Errorf("%d classes", len(classes))
		}
		for name, c := range classes {
			for region := range prices {
				if c.Hourly[region] == 0 {
					t.Errorf("%s has no price in %s", name, region)
				}
			}
		}
	}
	for region, p := range prices {
		v := reflect.ValueOf(p)
		for i := range v.NumField() {
			if v.Field(i).Float() <= 0 {
				t.Errorf("%s has no price %s", region, v.Type().Field(i).Name)
			}
		}
	}
}

// A slip of a column or of a digit shows as a size that is not twice the one before.
func TestPricesAndMemoryGrowWithTheSize(t *testing.T) {
	for _, classes := range []map[string]Class{ec2Classes(), rdsClasses(), elastiCacheClasses()} {
		for name, c := range classes {
			family, ok := strings.CutSuffix(name, ".xlarge")
			if !ok {
				continue
			}
			large := classes[family+".large"]
			for region := range prices {
				if ratio := c.Hourly[region] / large.Hourly[region]; ratio < 1.95 || ratio > 2.05 {
					t.Errorf("%s costs %.2f times as much as %s in %s", name, ratio, large.Name, region)
				}
			}
			if ratio := c.MemoryGiB / large.MemoryGiB; ratio < 1.9 || ratio > 2.1 {
				t.Errorf("%s has %.2f times the memory of %s", name, ratio, large.Name)
			}
		}
	}
}

// Amazon's own processors have a g after the generation.
func TestTheArchitectureIsThatOfTheName(t *testing.T) {
	for _, classes := range []map[string]Class{ec2Classes(), rdsClasses(), elastiCacheClasses()} {
		for name, c := range classes {
			family := strings.Split(strings.TrimPrefix(strings.TrimPrefix(name, "db."), "cache."), ".")[0]
			want := "amd64"
			if strings.HasSuffix(family, "g") {
				want = "arm64"
			}
			if c.Architecture != want {
				t.Errorf("%s is %s", name, c.Architecture)
			}
		}
	}
}

// What pulumi-aws lists of EC2 and of regions is taken from Amazon's own models. Its
// list of RDS ends with an older generation, so that it can confirm nothing there.
func TestClassesAndRegionsArePublished(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi-aws/sdk/v6").Output()
	if err != nil {
		t.Fatal(err)
	}
	for file, names := range map[string][]string{"ec2/pulumiEnums.go": EC2Names(), "pulumiEnums.go": Regions()} {
		enums, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "go/aws", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if !strings.Contains(string(enums), `("`+name+`")`) {
				t.Errorf("%s is not in %s", name, file)
			}
		}
	}
}

func TestAWrongFileIsRefused(t *testing.T) {
	const head = "class,architecture,vcpu,memoryGiB,us-east-1\n"
	for text, want := range map[string]string{
		"":                                    "the columns are not class",
		"class,architecture\n":                "the columns are not class",
		"class,architecture,vcpu,memoryGiB\n": "the columns are not class",
		"class,architecture,vcpu,memoryGiB,moon-1\n": `column "moon-1" is no region`,
		head + "a,arm64,1\n":                         "wrong number of fields",
		head + ",arm64,1,1,1\n":                      "has no name",
		head + "a,riscv,1,1,1\n":                     `class "a": architecture "riscv" is not amd64 or arm64`,
		head + "a,arm64,0,1,1\n":                     `class "a": vcpu "0" is not a count`,
		head + "a,arm64,1,NaN,1\n":                   `class "a": memoryGiB: "NaN" is not a positive number`,
		head + "a,arm64,1,1,-1\n":                    `class "a": us-east-1: "-1" is not a positive number`,
		head + "a,arm64,1,1,1\na,arm64,1,1,1\n":      `class "a" is given twice`,
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error lacks %q: %v", text, want, err)
		}
	}
	classes, err := read("# a header\n" + head + "a,arm64,1,0.5,\n")
	if err != nil || classes["a"].MemoryGiB != 0.5 || len(classes["a"].Hourly) != 0 {
		t.Errorf("read %+v, %v", classes, err)
	}
}

// Whatever is read is a table of usable classes; nothing panics.
func FuzzRead(f *testing.F) {
	f.Add(ec2File)
	f.Add("class,architecture,vcpu,memoryGiB,us-east-1\na,arm64,1,1,\n")
	f.Fuzz(func(t *testing.T, text string) {
		classes, err := read(text)
		if err != nil {
			return
		}
		for name, c := range classes {
			if c.Name != name || c.VCPU < 1 || c.MemoryGiB <= 0 {
				t.Errorf("read %+v", c)
			}
		}
	})
}
