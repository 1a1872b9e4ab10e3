package host

import (
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Home is where a command runs and what it finds there.
type Home struct {
	// Root is the directory below which all of Files, Credentials and Log lie;
	// absolute. It belongs to User.
	Root string
	User string            // account; empty: whoever runs the provider
	Dir  string            // working directory; empty: Root
	Env  map[string]string // nothing else is inherited but PATH, LANG, HOME, USER and LOGNAME
	// Files are written before the command runs and are owned by User; by path.
	Files map[string]File
	// Credentials become files of mode 0400 in CredentialsDir, which the command
	// finds in $CREDENTIALS_DIRECTORY; by name. The values are kept as secrets.
	Credentials    pulumi.StringMapInput
	CredentialsDir string // of this command alone
}

// File is a file of a Home.
type File struct {
	Content string
	Mode    uint32 // 0644
}

// Ready says when a process is up. All that is set must hold; when nothing is, a
// process is up when it has run for a second.
type Ready struct {
	HTTP string   // URL that answers 2xx
	TCP  string   // host:port that accepts
	Exec []string // command that exits 0, run as the process's user
	// Timeout bounds the setup commands and the start together; required.
	Timeout time.Duration
}

// Process is a program under a Supervisor, restarted when it ends.
type Process struct {
	pulumi.CustomResourceState
}

// ProcessArgs are the inputs of Process. A change of Name, Root or Supervisor
// replaces it, the old one being deleted first; of Files alone, with ReloadSignal
// set, reloads it; any other restarts it.
type ProcessArgs struct {
	Home
	Supervisor pulumi.StringInput // its Dir
	// Name is unique under the supervisor: letters, digits, ".", "_", "-".
	Name string // "api-01.pgbouncer"
	Exec []string
	// Setup commands run one after the other before each start, as User.
	Setup        [][]string
	Listen       []string // host:port that it binds; checked to be free
	Ready        Ready
	StopSignal   string        // HUP, INT, QUIT, TERM (default), USR1, USR2
	StopTimeout  time.Duration // then KILL; 0: 10 s
	ReloadSignal string        // as StopSignal; empty: a change of Files restarts
	OpenFiles    int           // RLIMIT_NOFILE; 0: as inherited
	Log          string        // what it prints; rotated at 10 MB
}

// NewProcess registers a process.
func NewProcess(ctx *pulumi.Context, name string, args *ProcessArgs, opts ...pulumi.ResourceOption) (*Process, error) {
	r := &Process{}
	props := args.Home.props()
	props["supervisor"] = args.Supervisor
	props["name"] = pulumi.String(args.Name)
	props["exec"] = pulumi.ToStringArray(args.Exec)
	props["setup"] = pulumi.ToStringArrayArray(args.Setup)
	props["listen"] = pulumi.ToStringArray(args.Listen)
	props["ready"] = pulumi.Map{
		"http":           pulumi.String(args.Ready.HTTP),
		"tcp":            pulumi.String(args.Ready.TCP),
		"exec":           pulumi.ToStringArray(args.Ready.Exec),
		"timeoutSeconds": pulumi.Float64(args.Ready.Timeout.Seconds()),
	}
	props["stopSignal"] = pulumi.String(args.StopSignal)
	props["stopTimeoutSeconds"] = pulumi.Float64(args.StopTimeout.Seconds())
	props["reloadSignal"] = pulumi.String(args.ReloadSignal)
	props["openFiles"] = pulumi.Int(args.OpenFiles)
	props["log"] = pulumi.String(args.Log)
	return r, ctx.RegisterResource("host:index:Process", name, props, r, opts...)
}

// Task is a command that is run when it is created, and again when anything but
// its Timeout changes. Deleting it runs nothing.
type Task struct {
	pulumi.CustomResourceState

	Output pulumi.StringOutput `pulumi:"output"` // the end of what its last run printed
}

// TaskArgs are the inputs of Task. Its credentials exist while it runs.
type TaskArgs struct {
	Home
	Exec []string
	// Triggers are values whose change runs it again.
	Triggers []string
	Timeout  time.Duration // required
}

// NewTask registers a task.
func NewTask(ctx *pulumi.Context, name string, args *TaskArgs, opts ...pulumi.ResourceOption) (*Task, error) {
	r := &Task{}
	props := args.Home.props()
	props["exec"] = pulumi.ToStringArray(args.Exec)
	props["triggers"] = pulumi.ToStringArray(args.Triggers)
	props["timeoutSeconds"] = pulumi.Float64(args.Timeout.Seconds())
	return r, ctx.RegisterResource("host:index:Task", name, props, r, opts...)
}

func (h *Home) props() pulumi.Map {
	files := pulumi.Map{}
	for path, f := range h.Files {
		files[path] = pulumi.Map{"content": pulumi.String(f.Content), "mode": pulumi.Int(int(f.Mode))}
	}
	props := pulumi.Map{
		"root":           pulumi.String(h.Root),
		"user":           pulumi.String(h.User),
		"dir":            pulumi.String(h.Dir),
		"env":            pulumi.ToStringMap(h.Env),
		"files":          files,
		"credentialsDir": pulumi.String(h.CredentialsDir),
	}
	if h.Credentials != nil {
		props["credentials"] = pulumi.ToSecret(h.Credentials)
	}
	return props
}
